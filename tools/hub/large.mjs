/**
 * Where large files lie: an origin of its own, reached by signed addresses only. It lets pages read no header beyond the safelisted ones and
 * refuses a request that brings a token along, as the real one does. Uploads wait here until a commit takes them.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Transform } from "node:stream";
import { Refusal } from "./answer.mjs";

export class LargeFiles {
  #secret = randomBytes(16);
  #known = new Map();
  #origins;

  constructor(repositories, origins) {
    this.folder = path.join(repositories.own, "lfs");
    this.#origins = origins;
  }

  /** An address that gives one file for as long as the server runs. */
  address({ type, id }, { file, size, lfs, path: name }) {
    const target = `/repos/${type}s/${id}/${lfs.oid}`;
    this.#known.set(target, { file, size, etag: lfs.oid });
    return `${this.#origins.cdn}${target}?filename=${encodeURIComponent(name.split("/").at(-1))}&Signature=${this.#sign(target)}`;
  }

  uploadAddress(oid) {
    return `${this.#origins.cdn}/upload/${oid}?Signature=${this.#sign(`/upload/${oid}`)}`;
  }

  /** Path of an upload that is complete; null: not here. */
  uploaded(oid, size) {
    const file = path.join(this.folder, oid);
    const found = statSync(file, { throwIfNoEntry: false });
    return found?.isFile() && (size === undefined || found.size === size) ? file : null;
  }

  routes() {
    return [
      { method: "GET HEAD", pattern: /^\/repos\//, handle: (answer) => this.#download(answer) },
      { method: "PUT", pattern: /^\/upload\/(?<oid>[0-9a-f]{64})$/, handle: (answer, { oid }) => this.#upload(answer, oid) },
    ];
  }

  #check(answer) {
    if (answer.request.headers.authorization !== undefined) throw new Refusal(400, "Only one auth mechanism allowed; the signature in the address and an Authorization header were both given");
    if (answer.query.get("Signature") !== this.#sign(answer.path)) throw new Refusal(403, "SignatureDoesNotMatch");
  }

  async #download(answer) {
    this.#check(answer);
    const found = this.#known.get(answer.path);
    if (!found || !existsSync(found.file)) throw new Refusal(404, "NoSuchKey");
    await answer.send(found);
  }

  async #upload(answer, oid) {
    this.#check(answer);
    mkdirSync(this.folder, { recursive: true });
    const hash = createHash("sha256");
    const part = path.join(this.folder, `${oid}.${randomBytes(4).toString("hex")}.part`);
    const hashing = new Transform({
      transform(bytes, _, done) {
        hash.update(bytes);
        done(null, bytes);
      },
    });
    try {
      await pipeline(answer.request, hashing, createWriteStream(part));
      if (hash.digest("hex") !== oid) throw new Refusal(400, "The bytes do not have the SHA-256 they were announced with");
      renameSync(part, path.join(this.folder, oid));
    } finally {
      rmSync(part, { force: true });
    }
    answer.response.writeHead(200, { ETag: `"${oid}"`, "Content-Length": 0 }).end();
  }

  #sign(target) {
    return createHmac("sha256", this.#secret).update(target).digest("hex").slice(0, 32);
  }
}
