/** Models of the Hub by `owner/name[@revision]`. Large files lie on the disk in chunks and are read from there a range at a time. */
import { blobSource, bytesSource } from "../../checkpoint/safetensors/source.ts";
import { LabError } from "../../lib/error.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";
import type { HubProgress } from "../../threads/hub.ts";
import type { RepositoryFacts } from "../remote/repository.ts";
import type { Folder, Place, Source } from "./source.ts";

/** From here on a file is not held whole while it downloads. */
const LARGE_BYTES = 8 << 20;

const parsed = (reference: string) => {
  if (referenceProblem(reference) !== null) return null;
  const { kind, adapter, ...rest } = parseReference(reference);
  return kind === "hub" && adapter === null && "owner" in rest ? { id: `${rest.owner}/${rest.name}`, revision: rest.revision ?? "main" } : null;
};

export const repository: Source = {
  matches: (reference) => parsed(reference) !== null,
  async open(reference, place) {
    const { id, revision } = parsed(reference) ?? { id: reference, revision: "main" };
    return folderOf(await place.remote.facts(id, revision), reference, place);
  },
};

export function folderOf(facts: RepositoryFacts, reference: string, { remote, shelf }: Place): Folder {
  const { id, commit, files } = facts;
  /** On the disk, or in memory where it is small. */
  const fetched = async (path: string, onProgress?: HubProgress) => {
    const wanted = remote.wanted(facts, remote.file(facts, path));
    if (wanted.bytes < LARGE_BYTES || wanted.sha256 === undefined) return { ...(await shelf.file(wanted, onProgress)), blob: null, name: wanted.name };
    return { ...(await shelf.large({ ...wanted, sha256: wanted.sha256 }, onProgress)), bytes: null, name: wanted.name };
  };
  return {
    reference,
    revision: commit,
    files: files.map(({ path, bytes, sha256 }) => ({ path, bytes, ...(sha256 === undefined ? {} : { sha256 }) })),
    async read(path, onProgress) {
      const { bytes, blob, sha256, downloaded, name } = await fetched(path, onProgress);
      if (bytes) return { bytes, sha256, downloaded };
      const source = blobSource(blob, name);
      return { bytes: await source.read(0, source.size).catch((error: unknown) => Promise.reject(gone(error, `${id}/${path}`))), sha256, downloaded };
    },
    async open(path, onProgress) {
      const { bytes, blob, sha256, downloaded, name } = await fetched(path, onProgress);
      return { source: bytes ? bytesSource(bytes) : blobSource(blob, name), sha256, downloaded };
    },
  };
}

/** A kept file that cannot be read any more was deleted from the cache; nobody chose it. */
function gone(cause: unknown, name: string): LabError {
  return new LabError("quota", `${name} was removed from the browser's storage while it was read. Load it again; it is then downloaded anew.`, { cause, details: { file: name } });
}
