/** Selections over one tensor: where to cut |x| so that exactly so many are kept, and values at places of an order. */
import type { Passes } from "../executor.ts";
import { abs, type Cut, type Float } from "../expression.ts";
import { RadixSelect } from "./select.ts";

export interface Selection {
  readonly of: Float;
  /** How many of the largest |of| are kept, the lower index first among equals; each gives one cut. */
  readonly keep: readonly number[];
}

/** An element index behind every element. */
export const ALL = 0xffffffff;
/** Keeps nothing: above the bits of any |x|. */
export const NOTHING: Cut = { threshold: 0x7fffffff, below: 0 };

/** One list of cuts a selection; all selections share the passes. */
export async function cutsOf(passes: Passes, selections: readonly Selection[]): Promise<Cut[][]> {
  const wanted = selections.map(({ of, keep }): Guess => ({ of: abs(of), keep, halves: endsHalfway(of) }));
  const guessed = (await passes.guessed?.(wanted)) ?? [];
  const running = wanted.map(({ of, keep, halves }) => ({ of, select: new RadixSelect(keep, { halves }), signed: false }));
  await tallyBoth(passes, running.filter((_, i) => !guessed[i]));
  const found = running.map(({ of, select }, i) => (guessed[i] ?? select.finish()).map((target) => ({ ...target, of, before: select.before(target.threshold, target.wanted) })));
  const torn = found.flat().filter(({ count, wanted: left, equal }) => count > 0 && left < equal);
  const places = torn.length > 0 ? await passes.places(torn.map(({ of, threshold, before }) => ({ of, bits: threshold, ...before }))) : [];
  return found.map((targets) => targets.map((target): Cut => {
    if (target.count === 0) return NOTHING;
    const at = torn.indexOf(target);
    return { threshold: target.threshold, below: at < 0 ? ALL : (places[at] as number) };
  }));
}

/** bfloat16 numbers: the lower half of their bits is 0. */
export function endsHalfway({ op, args: [first] }: Float): boolean {
  return op === "bf16" || (op === "abs" && first?.type === "float" && endsHalfway(first));
}

/** Values at these places of the ascending order, 0 the least. */
export async function valuesAt(passes: Passes, of: Float, places: readonly number[]): Promise<number[]> {
  const select = new RadixSelect(places.map((place) => passes.length - place));
  await tallyBoth(passes, [{ of, select, signed: true }]);
  // Keys of negative numbers are their complement, of the others the sign bit is set.
  const bits = Int32Array.from(select.finish(), ({ threshold }) => (threshold & 0x80000000 ? threshold & 0x7fffffff : ~threshold));
  return [...new Float32Array(bits.buffer)];
}

async function tallyBoth(passes: Passes, running: readonly Tally[]): Promise<void> {
  if (running.length === 0) return;
  await passes.tally(running, "high");
  for (const { select } of running) select.narrow();
  const finer = running.filter(({ select }) => !select.halves);
  if (finer.length > 0) await passes.tally(finer, "low");
}

/** A selection by magnitude, before anything is counted. */
export interface Guess {
  /** Never negative: its bits are the keys. */
  readonly of: Float;
  readonly keep: readonly number[];
  /** The lower half of every key is 0. */
  readonly halves: boolean;
}

export interface Tally {
  readonly of: Float;
  readonly select: RadixSelect;
  /** Keys are in the order of the numbers, negative ones below; false: `of` is never negative and its bits are the keys. */
  readonly signed: boolean;
}
