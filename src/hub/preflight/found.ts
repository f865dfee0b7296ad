/** A model of a look as it was named: on the Hub or at hand, an adapter behind it or alone. */
import { parseReference, referenceProblem } from "../../lib/reference.ts";
import type { RepositoryFacts } from "../remote/repository.ts";
import { type Folder, openFolder, type Place } from "../sources/source.ts";
import { look, type Look, type Seen, type Tensor } from "./look.ts";

/** `added`: what "+owner/adapter" behind it names. */
export interface Found {
  /** As asked. */
  readonly ref: string;
  readonly seen: Seen;
  readonly look: Look;
  readonly facts: RepositoryFacts | null;
  readonly added: Found | null;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const parametersOf = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { shape }) => sum + product(shape), 0);

/** Of "owner/name+owner/adapter" the model. */
export const modelOfReference = (ref: string): string => ref.slice(0, ref.lastIndexOf("+"));

/** Weights of all graphs of a model; null where one does not tell. */
export function inGraphs({ look: { graphs } }: Found): Tensor[] | null {
  const known = graphs.flatMap(({ tensors }) => (tensors ? [tensors] : []));
  return graphs.length > 0 && known.length === graphs.length ? known.flat() : null;
}

/** Numbers of an adapter that stays factors, which is one on the base itself; null: a direction like others. */
export function factorsOf({ ref, look: { adapter, named }, added }: Found, base: string): number | null {
  if (added) return modelOfReference(ref) === base && added.look.named ? parametersOf(added.look.named) : null;
  return adapter && named ? parametersOf(named) : null;
}

export async function findOne(ref: string, place: Place, counted: { bytes: number }): Promise<Found> {
  const parsed = referenceProblem(ref) === null && !Object.hasOwn(place.options.mounts, ref) ? parseReference(ref) : null;
  if (parsed?.adapter) {
    const [model, added] = await Promise.all([findOne(modelOfReference(ref), place, counted), findOne(ref.slice(ref.lastIndexOf("+") + 1), place, counted)]);
    return { ...model, ref, added };
  }
  if (parsed?.kind === "hub") {
    const { remote } = place;
    const facts = await remote.facts(`${parsed.owner}/${parsed.name}`, parsed.revision ?? "main", { fresh: true });
    counted.bytes += JSON.stringify(facts).length;
    const seen: Seen = {
      reference: ref,
      files: facts.files,
      async read(path) {
        const file = await remote.read(facts, path);
        counted.bytes += file.downloaded;
        return file.bytes;
      },
      bytes: async (path) => {
        const source = remote.bytes(facts, path);
        return {
          size: source.size,
          read: async (begin, end) => {
            const bytes = await source.read(begin, end);
            counted.bytes += bytes.length;
            return bytes;
          },
        };
      },
    };
    return { ref, seen, look: await look(seen), facts, added: null };
  }
  const folder = await openFolder(ref, place);
  const seen = seenIn(folder);
  return { ref, seen, look: await look(seen), facts: null, added: null };
}

/** A folder at hand. A bundled family's files come whole, so their weights are not looked into. */
function seenIn(folder: Folder): Seen {
  return {
    reference: folder.reference,
    files: folder.files.map(({ path, bytes = 0 }) => ({ path, bytes })),
    read: async (path) => (await folder.read(path)).bytes,
    bytes: async (path) => (folder.family ? null : (await folder.open(path)).source),
  };
}

