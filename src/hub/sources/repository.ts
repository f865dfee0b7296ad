/** Models of the Hub by `owner/name[@revision]`. Large files lie on the disk in chunks and are read from there a range at a time. */
import { blobSource, bytesSource } from "../../checkpoint/safetensors/source.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";
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
  return {
    reference,
    revision: facts.commit,
    files: facts.files.map(({ path, bytes, sha256 }) => ({ path, bytes, ...(sha256 === undefined ? {} : { sha256 }) })),
    read: (path, onProgress) => remote.read(facts, path, onProgress),
    async open(path, onProgress) {
      const wanted = remote.wanted(facts, remote.file(facts, path));
      if ("sha256" in wanted && wanted.sha256 !== undefined && wanted.bytes >= LARGE_BYTES) {
        const { blob, sha256, downloaded } = await shelf.large({ ...wanted, sha256: wanted.sha256 }, onProgress);
        return { source: blobSource(blob, wanted.name), sha256, downloaded };
      }
      const { bytes, sha256, downloaded } = await shelf.file(wanted, onProgress);
      return { source: bytesSource(bytes), sha256, downloaded };
    },
  };
}
