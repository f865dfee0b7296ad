/** Small spaces and seeded weights for kernel and twin tests. */
import { SeededStream } from "../../src/lib/stream.ts";
import type { DirectionSpec, MaskRule, Segment, Space } from "../../src/space/types.ts";

export type Shape = { name?: string; shape: number[]; transposed?: boolean };

export function makeSpace(shapes: readonly Shape[]): Space {
  let start = 0;
  const segments = shapes.map(({ name, shape, transposed = false }, index): Segment => {
    const length = shape.reduce((product, n) => product * n, 1);
    const segment = { index, name: name ?? `layer.${index}.weight`, shape, transposed, length, start, layer: index };
    start += length;
    return segment;
  });
  return { segments, length: start };
}

export function gaussian(n: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  const stream = new SeededStream(seed, "test weights");
  return Float32Array.from({ length: n }, () => scale * stream.gaussian());
}

export const rule = (expert: string, more: Partial<MaskRule> = {}): MaskRule => ({
  method: "dare", density: 0.2, rescaling: "inverse", seed: 7, expert, ...more,
});

/** base, N dense, N masked. */
export function directions(experts: number, precision: "f32" | "f16" = "f32", mask: Partial<MaskRule> = {}): DirectionSpec[] {
  const ids = Array.from({ length: experts }, (_, i) => `expert${i}`);
  return [
    { kind: "base", id: "base" },
    ...ids.map((id): DirectionSpec => ({ kind: "dense", id, precision })),
    ...ids.map((id): DirectionSpec => ({ kind: "masked", id: `${id}:thin`, of: id, rule: rule(id, mask) })),
  ];
}

/** Weights of the base and experts: `[model][segment]`, experts 1e-2 away from the base. */
export function family(space: Space, experts: number, seed = 1): Float32Array<ArrayBuffer>[][] {
  const base = space.segments.map((s) => gaussian(s.length, seed * 1000 + s.index));
  return [base, ...Array.from({ length: experts }, (_, e) =>
    space.segments.map((s, i) => gaussian(s.length, seed * 1000 + 100 * (e + 1) + s.index, 1e-2).map((d, j) => d + (base[i]?.[j] ?? 0))),
  )];
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}
