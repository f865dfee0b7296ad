/** What is written: repositories made and removed, large files announced and verified, a commit as lines of JSON. */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Refusal } from "./answer.mjs";
import { missing } from "./access.mjs";
import { safePath } from "./repositories.mjs";

const api = String.raw`^/api/(?<type>model|dataset)s/(?<id>[^/]+/[^/]+)`;
const lfs = String.raw`^/(?:(?<datasets>datasets)/)?(?<id>[^/]+/[^/]+)\.git/info/lfs/objects`;
const route = (method, source, handle) => ({ method, pattern: new RegExp(source), handle });

export function writingRoutes({ access, repositories, large, origins }) {
  function openToWrite(answer, { type, datasets, id }) {
    const repository = repositories.find(type ?? (datasets ? "dataset" : "model"), decodeURIComponent(id));
    if (!repository) throw missing(access.token(answer));
    access.checkWrite(answer, repository.id);
    return repository;
  }

  async function create(answer) {
    const body = await answer.readJson();
    const user = access.user(answer);
    const id = `${body.organization ?? user}/${body.name}`;
    const type = body.type ?? "model";
    if (type !== "model" && type !== "dataset") throw new Refusal(400, "This Hub keeps models and datasets.");
    access.checkWrite(answer, id);
    if (!/^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/.test(id) || id.includes("..")) throw new Refusal(400, `Invalid repository name: ${JSON.stringify(String(body.name).slice(0, 100))}`);
    const folder = repositories.folder(type, id);
    const url = `${origins.hub}/${type === "dataset" ? "datasets/" : ""}${id}`;
    if (existsSync(folder)) throw new Refusal(409, `You already created this ${type} repo: ${id}`);
    mkdirSync(folder, { recursive: true });
    const hidden = body.visibility === "private" || body.private === true;
    if (hidden) writeFileSync(path.join(folder, ".hub.json"), JSON.stringify({ private: true, allowed: [] }));
    if (body.license) writeFileSync(path.join(folder, "README.md"), `---\nlicense: ${JSON.stringify(body.license)}\n---\n`);
    for (const file of body.files ?? []) put(folder, file.path, contentOf(file));
    answer.json({ url, id, name: id });
  }

  async function remove(answer) {
    const body = await answer.readJson();
    const repository = openToWrite(answer, { type: body.type ?? "model", id: `${body.organization ?? access.user(answer)}/${body.name}` });
    rmSync(repository.folder, { recursive: true });
    answer.json({ ok: true });
  }

  async function preupload(answer, match) {
    const repository = openToWrite(answer, match);
    const { commit } = await repositories.at(repository, decodeURIComponent(match.revision));
    const { files = [] } = await answer.readJson();
    answer.json({ files: files.map(({ path: name, size }) => ({ path: safePath(name), uploadMode: repositories.isLarge(name, size) ? "lfs" : "regular", shouldIgnore: false })), commitOid: commit });
  }

  async function batch(answer, match) {
    const repository = openToWrite(answer, match);
    const { operation, objects = [] } = await answer.readJson();
    if (operation !== "upload") throw new Refusal(422, "Downloads go by resolve addresses.");
    const verify = { href: `${origins.hub}/${repository.type === "dataset" ? "datasets/" : ""}${repository.id}.git/info/lfs/objects/verify` };
    answer.json(
      {
        transfer: "basic",
        objects: objects.map(({ oid, size }) => {
          if (!/^[0-9a-f]{64}$/.test(oid)) return { oid, size, error: { code: 422, message: "The object's id is no SHA-256" } };
          return large.uploaded(oid, size) ? { oid, size } : { oid, size, authenticated: true, actions: { upload: { href: large.uploadAddress(oid) }, verify } };
        }),
      },
      { "Content-Type": "application/vnd.git-lfs+json" },
    );
  }

  async function verify(answer, match) {
    openToWrite(answer, match);
    const { oid, size } = await answer.readJson();
    if (!/^[0-9a-f]{64}$/.test(oid) || !large.uploaded(oid, size)) throw new Refusal(404, "The object is not here, or of another size");
    answer.json({});
  }

  /** All checked before anything is written: a commit happens or does not. */
  async function commit(answer, match) {
    const repository = openToWrite(answer, match);
    if (answer.query.get("create_pr")) throw new Refusal(501, "This Hub knows no pull requests.");
    const branch = decodeURIComponent(match.revision);
    const before = await repositories.at(repository, branch);
    const lines = (await answer.readBody(512e6)).toString("utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const header = lines.find(({ key }) => key === "header")?.value;
    if (!header?.summary) throw new Refusal(400, "The commit needs a summary");
    if (header.parentCommit && header.parentCommit !== before.commit) throw new Refusal(412, `A commit has happened since. Please refresh and try again.`);
    const folder = repositories.folder(repository.type, repository.id, branch);
    const changes = lines.filter(({ key }) => key !== "header").map(({ key, value }) => change(folder, key, value));
    for (const apply of changes) apply();
    const after = await repositories.at(repository, branch);
    answer.json({ success: true, commitOid: after.commit, commitUrl: `${origins.hub}/${repository.id}/commit/${after.commit}`, hookOutput: "" });
  }

  function change(folder, key, value) {
    const name = safePath(value.path);
    if (key === "file") {
      const content = contentOf(value);
      return () => put(folder, name, content);
    }
    if (key === "lfsFile") {
      const file = /^[0-9a-f]{64}$/.test(value.oid ?? "") ? large.uploaded(value.oid, value.size) : null;
      if (!file) throw new Refusal(400, `${name} was not uploaded: its object is not here`);
      return () => {
        mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
        copyFileSync(file, path.join(folder, name));
      };
    }
    if (key === "deletedFile" || key === "deletedFolder") return () => rmSync(path.join(folder, name), { recursive: true, force: true });
    throw new Refusal(400, `Unknown operation: ${key}`);
  }

  return [
    route("POST", "^/api/repos/create$", create),
    route("DELETE", "^/api/repos/delete$", remove),
    route("POST", `${api}/preupload/(?<revision>[^/]+)$`, preupload),
    route("POST", `${lfs}/batch$`, batch),
    route("POST", `${lfs}/verify$`, verify),
    route("POST", `${api}/commit/(?<revision>[^/]+)$`, commit),
  ];
}

const contentOf = ({ content, encoding }) => Buffer.from(content ?? "", encoding === "base64" ? "base64" : "utf8");

function put(folder, name, content) {
  const file = path.join(folder, safePath(name));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}
