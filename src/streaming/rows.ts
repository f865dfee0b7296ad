/**
 * Embeddings laid out anew: a source whose rows stand where the new vocabulary wants them. Own rows are read as they lie; a row that
 * a model has not is zeros or a mean of rows of the models; padding is the mean of all rows before it.
 */
import { bf16FromF32, f32FromBf16 } from "../lib/bf16.ts";
import { f16FromF32, f32FromF16 } from "../lib/f16.ts";
import type { Dtype, TensorSource } from "../methods/types.ts";
import type { RowLayout } from "../recipe/plan/vocabulary.ts";

/** Rows that lie so near each other are read in one go, the gap between them too. */
const NEAR_ROWS = 32;
/** Elements read at once for the mean of all rows. */
const MEAN_ELEMENTS = 1 << 20;

const round: Readonly<Record<Dtype, (value: number) => number>> = {
  float32: Math.fround,
  float16: (value) => f32FromF16(f16FromF32(value)),
  bfloat16: (value) => f32FromBf16(bf16FromF32(value)),
};

/** `source` reads the tensors as they are stored; `width`: elements of a row; `dtype`: what means are rounded to, step by step as mergekit does. */
export function gatherRows(source: TensorSource, layout: RowLayout, width: number, dtype: Dtype): TensorSource {
  const paddings = new Map<number, Promise<Float32Array>>();
  const rounded = round[dtype];

  const mean = async (from: readonly { readonly input: number; readonly row: number }[]): Promise<Float32Array> => {
    const sum = new Float32Array(width);
    for (const { input, row } of from) {
      const values = await source.read(input, row * width, (row + 1) * width);
      for (let i = 0; i < width; i++) sum[i] = rounded((sum[i] as number) + rounded(values[i] as number));
    }
    return sum.map((value) => rounded(value / from.length));
  };

  /** Rows first…end of one input, all of them tokens. */
  const rows = async (input: number, first: number, end: number): Promise<Float32Array<ArrayBuffer>> => {
    const own = layout.own[input] as Int32Array; // the layout has one an input
    const out = new Float32Array((end - first) * width);
    const wanted = new Map<number, Wanted[]>();
    const want = (from: number, one: Wanted) => void (wanted.get(from)?.push(one) ?? wanted.set(from, [one]));
    for (let to = first; to < end; to++) {
      const row = own[to] as number; // to < layout.tokens
      if (row >= 0) {
        want(input, { to, row });
        continue;
      }
      const from = layout.missing.get(to) ?? [];
      const [only] = from;
      if (from.length === 1 && only !== undefined) want(only.input, { to, row: only.row });
      else if (from.length > 1) out.set(await mean(from), (to - first) * width);
    }
    for (const [from, theirs] of wanted) {
      for (const span of spansOf(theirs)) {
        const [low, high] = [span[0]?.row ?? 0, span.at(-1)?.row ?? 0];
        const values = await source.read(from, low * width, (high + 1) * width);
        for (const { to, row } of span) out.set(values.subarray((row - low) * width, (row - low + 1) * width), (to - first) * width);
      }
    }
    return out;
  };

  const padding = (input: number): Promise<Float32Array> => {
    const known = paddings.get(input);
    if (known !== undefined) return known;
    const made = (async () => {
      const sums = new Float64Array(width);
      const step = Math.max(1, Math.floor(MEAN_ELEMENTS / width));
      for (let first = 0; first < layout.tokens; first += step) {
        const values = await rows(input, first, Math.min(first + step, layout.tokens));
        for (let i = 0, column = 0; i < values.length; i++, column = column + 1 === width ? 0 : column + 1) sums[column] = (sums[column] as number) + rounded(values[i] as number);
      }
      return Float32Array.from(sums, (sum) => rounded(sum / layout.tokens));
    })();
    paddings.set(input, made);
    return made;
  };

  return {
    async read(input, from, to, into) {
      const [first, end] = [Math.floor(from / width), Math.ceil(to / width)];
      const tokens = Math.min(end, layout.tokens);
      const gathered = first < tokens ? await rows(input, first, tokens) : new Float32Array(0);
      const whole = end <= tokens ? gathered : new Float32Array((end - first) * width);
      if (whole !== gathered) {
        whole.set(gathered);
        for (let row = Math.max(first, tokens); row < end; row++) whole.set(await padding(input), (row - first) * width);
      }
      const asked = whole.subarray(from - first * width, to - first * width);
      if (into === undefined) return asked;
      into.set(asked);
      return into;
    },
  };
}

interface Wanted {
  /** Row of the result. */
  readonly to: number;
  /** Row of the tensor it is read from. */
  readonly row: number;
}

/** Sorted by row, cut where the next is too far to be read in one go. */
function spansOf(wanted: readonly Wanted[]): Wanted[][] {
  const spans: Wanted[][] = [];
  for (const one of [...wanted].sort((a, b) => a.row - b.row)) {
    const last = spans.at(-1);
    if (last !== undefined && one.row - (last.at(-1)?.row ?? 0) <= NEAR_ROWS) last.push(one);
    else spans.push([one]);
  }
  return spans;
}
