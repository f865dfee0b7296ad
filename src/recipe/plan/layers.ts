/**
 * Layers by the numbers in tensors' names: `model.layers.7.mlp.up_proj.weight` is layer 7 of the stack `model.layers`. A model has one
 * stack (most), two (an encoder and a decoder) or none; numbers that no layer count of its config knows (`classifier.0.weight`) are none.
 */
export interface Stack {
  /** What stands before the number, without the dot. */
  readonly prefix: string;
  readonly layers: number;
  /** Dotted keys of the config that say that number. */
  readonly keys: readonly string[];
}

export interface InLayer {
  readonly stack: Stack;
  readonly layer: number;
  /** What stands after the number, with its dot. */
  readonly rest: string;
}

const NUMBER = /\.(\d+)\./;
/** Names that configurations have for their number of layers. */
const KEYS = new Set([
  "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "num_encoder_layers", "encoder_layers", "decoder_layers",
  "encoder_num_hidden_layers", "decoder_num_hidden_layers", "depth", "num_blocks",
]);

export function findStacks(names: readonly string[], config: Readonly<Record<string, unknown>> | null): Stack[] {
  const numbers = new Map<string, Set<number>>();
  for (const name of names) {
    const found = NUMBER.exec(name);
    if (found === null) continue;
    const prefix = name.slice(0, found.index);
    const seen = numbers.get(prefix) ?? new Set();
    numbers.set(prefix, seen.add(Number(found[1])));
  }
  const counts = layerCounts(config ?? {});
  const candidates = [...numbers].filter(([, seen]) => Math.max(...seen) === seen.size - 1).map(([prefix, seen]): Stack => ({
    prefix, layers: seen.size, keys: counts.filter(([, count]) => count === seen.size).map(([key]) => key),
  }));
  const told = candidates.filter(({ keys }) => keys.length > 0);
  return told.length > 0 ? told : candidates;
}

/** Every number of layers a config says: [dotted key, number]. */
function layerCounts(config: Readonly<Record<string, unknown>>, under = ""): [string, number][] {
  return Object.entries(config).flatMap(([key, value]): [string, number][] => {
    if (KEYS.has(key) && typeof value === "number") return [[under + key, value]];
    const nested = under === "" && /(^|_)config$/.test(key) && typeof value === "object" && value !== null && !Array.isArray(value);
    return nested ? layerCounts(value as Record<string, unknown>, `${key}.`) : [];
  });
}

export function layerOf(name: string, stacks: readonly Stack[]): InLayer | null {
  const found = NUMBER.exec(name);
  if (found === null) return null;
  const stack = stacks.find(({ prefix }) => prefix === name.slice(0, found.index));
  return stack === undefined ? null : { stack, layer: Number(found[1]), rest: name.slice(found.index + 1 + String(found[1]).length) };
}

export function inLayer(prefix: string, layer: number, rest: string): string {
  return `${prefix}.${layer}${rest}`;
}

/** Place of a layer among those of its slice: 0 the first, 1 the last; a slice of one layer is its own last. */
export function place(layer: number, layers: number): number {
  return layers > 1 ? layer / (layers - 1) : 1;
}
