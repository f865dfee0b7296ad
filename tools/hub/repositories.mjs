/**
 * Folders as repositories: files with the digests Git and Git LFS would give them, and a commit id that is a function of content.
 * Digests are kept in `DIR/.hub/digests.json` by size and time of change. Names that begin with `.hub` are the server's own.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Refusal } from "./answer.mjs";
import { frontMatter } from "./card.mjs";

/** What the Hub stores apart whatever its size (its default .gitattributes). */
const largeNames = /\.(safetensors|onnx|onnx_data(_\d+)?|onnx\.data|bin|pt|pth|ckpt|h5|msgpack|parquet|arrow|zip|gz|tar|npz|npy|pb|model|tflite)$/i;
const namePattern = /^[\w][\w.-]{0,95}$/;

/** @typedef {{ path: string, file: string, size: number, oid: string, lfs: { oid: string, size: number, pointerSize: number } | null }} Entry */

export class Repositories {
  #digests;
  #digestsFile;

  /** @param {string} dir @param {number} largeBytes */
  constructor(dir, largeBytes) {
    this.dir = dir;
    this.largeBytes = largeBytes;
    this.own = path.join(dir, ".hub");
    this.#digestsFile = path.join(this.own, "digests.json");
    this.#digests = new Map(Object.entries(readJson(this.#digestsFile) ?? {}));
  }

  /** Ids of all there are. @param {"model" | "dataset"} type */
  list(type) {
    const root = type === "dataset" ? path.join(this.dir, "datasets") : this.dir;
    return folders(root)
      .filter((owner) => type === "dataset" || owner !== "datasets")
      .flatMap((owner) => folders(path.join(root, owner)).map((name) => `${owner}/${name.split("@")[0]}`))
      .filter((id, i, all) => all.indexOf(id) === i)
      .sort();
  }

  /** null: there is none. @param {"model" | "dataset"} type @param {string} id */
  find(type, id) {
    const parts = id.split("/");
    if (parts.length !== 2 || !parts.every((part) => namePattern.test(part) && !part.includes(".."))) return null;
    const folder = this.folder(type, id);
    if (!existsSync(folder)) return null;
    return { type, id, folder, settings: readJson(path.join(folder, ".hub.json")) ?? {} };
  }

  folder(type, id, branch = "main") {
    const name = branch === "main" ? id : `${id}@${encodeURIComponent(branch)}`;
    return path.join(this.dir, ...(type === "dataset" ? ["datasets"] : []), ...name.split("/"));
  }

  /** Files of a branch, tag or commit. */
  async at(repository, revision) {
    const heads = revision === "HEAD" ? ["main"] : [revision];
    if (/^[0-9a-f]{40}$/.test(revision)) heads.push("main", ...this.#branches(repository));
    for (const branch of heads) {
      const folder = this.folder(repository.type, repository.id, branch);
      if (!existsSync(folder)) continue;
      const tree = await this.#tree(folder, branch === "main" ? repository.settings : (readJson(path.join(folder, ".hub.json")) ?? {}));
      if (branch === revision || revision === "HEAD" || tree.commit === revision) return tree;
    }
    throw new Refusal(404, `Invalid rev id: ${revision}`, "RevisionNotFound");
  }

  #branches({ type, id }) {
    const [owner, name] = id.split("/");
    const under = path.dirname(this.folder(type, id));
    return existsSync(under) && owner ? folders(under).filter((one) => one.startsWith(`${name}@`)).map((one) => decodeURIComponent(one.slice(name.length + 1))) : [];
  }

  async #tree(folder, settings) {
    /** @type {Entry[]} */
    const entries = [];
    let newest = 0;
    for (const relative of walk(folder)) {
      const file = path.join(folder, relative);
      const { size, mtimeMs } = statSync(file);
      newest = Math.max(newest, mtimeMs);
      const told = settings.digests?.[relative];
      const large = size >= this.largeBytes || largeNames.test(relative) || told !== undefined;
      const digest = told ?? (await this.#digest(file, size, mtimeMs, large));
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize ${size}\n`;
      entries.push({
        path: relative,
        file,
        size,
        oid: large ? gitOid(Buffer.from(pointer)) : digest,
        lfs: large ? { oid: digest, size, pointerSize: pointer.length } : null,
      });
    }
    const commit = createHash("sha1");
    for (const { path: name, oid } of entries) commit.update(`${name}\0${oid}\n`);
    const readme = entries.find((entry) => entry.path === "README.md");
    const card = readme ? frontMatter(readFileSync(readme.file, "utf8")) : {};
    return { entries, commit: commit.digest("hex"), card, lastModified: new Date(newest).toISOString() };
  }

  async #digest(file, size, mtimeMs, large) {
    const key = `${path.relative(this.dir, file)} ${size} ${mtimeMs} ${large ? "sha256" : "git"}`;
    const known = this.#digests.get(key);
    if (known) return known;
    const hash = createHash(large ? "sha256" : "sha1");
    if (!large) hash.update(`blob ${size}\0`);
    for await (const part of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(part);
    const digest = hash.digest("hex");
    this.#digests.set(key, digest);
    // Only what took time is worth a file.
    if (size > 1e7) {
      mkdirSync(this.own, { recursive: true });
      writeFileSync(this.#digestsFile, JSON.stringify(Object.fromEntries([...this.#digests].filter(([one]) => Number(one.split(" ").at(-3)) > 1e7))));
    }
    return digest;
  }

  isLarge(name, size) {
    return size >= this.largeBytes || largeNames.test(name);
  }
}

export const gitOid = (bytes) => createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** A path of a repository that stays inside it. */
export function safePath(text) {
  const parts = text.split("/");
  if (text === "" || parts.some((part) => part === "" || part === "." || part === ".." || /[\\\0]/.test(part) || part.startsWith(".hub"))) {
    throw new Refusal(400, `Invalid path: ${JSON.stringify(text.slice(0, 100))}`);
  }
  return text;
}

const folders = (root) => (existsSync(root) ? readdirSync(root, { withFileTypes: true }).filter((one) => one.isDirectory() && !one.name.startsWith(".")).map((one) => one.name) : []);

/** Paths of all files, in the order of their code units; links are followed only to files. */
function walk(folder, under = "") {
  const found = [];
  for (const one of readdirSync(path.join(folder, under), { withFileTypes: true })) {
    if (one.name.startsWith(".hub") || one.name === ".git") continue;
    const relative = under ? `${under}/${one.name}` : one.name;
    if (one.isDirectory()) found.push(...walk(folder, relative));
    else if (one.isFile() || (one.isSymbolicLink() && statSync(path.join(folder, relative), { throwIfNoEntry: false })?.isFile())) found.push(relative);
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}
