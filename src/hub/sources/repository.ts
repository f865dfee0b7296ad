/** Models of the Hub by `owner/name[@revision]`. Large files lie on the disk in chunks and are read from there a range at a time. */
import { bytesSource } from "../../checkpoint/safetensors/source.ts";
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
  /** On the disk, or in memory where it is small. */
  const fetched = async (path: string, onProgress?: HubProgress) => {
    const wanted = remote.wanted(facts, remote.file(facts, path));
    if (wanted.bytes < LARGE_BYTES || wanted.sha256 === undefined) return shelf.file(wanted, onProgress);
    return shelf.large({ ...wanted, sha256: wanted.sha256 }, onProgress);
  };
  return {
    reference,
    revision: facts.commit,
    files: facts.files.map(({ path, bytes, sha256 }) => ({ path, bytes, ...(sha256 === undefined ? {} : { sha256 }) })),
    async read(path, onProgress) {
      const file = await fetched(path, onProgress);
      if ("bytes" in file) return file;
      return { bytes: await file.source.read(0, file.source.size), sha256: file.sha256, downloaded: file.downloaded };
    },
    async where(path, onProgress) {
      const file = await fetched(path, onProgress);
      return "bytes" in file ? { blob: new Blob([file.bytes]) } : file.place();
    },
    peek: (path) => remote.bytes(facts, path),
    async open(path, onProgress) {
      const file = await fetched(path, onProgress);
      return { source: "bytes" in file ? bytesSource(file.bytes) : file.source, sha256: file.sha256, downloaded: file.downloaded };
    },
  };
}
