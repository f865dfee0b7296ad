/** The two published randomness rules (docs/recipe.md), one number at a time. Kernels and their twins repeat them in bulk. */
import { fnv1a64 } from "./hash.ts";
import { philox, seedKey, uniform } from "./philox.ts";

/** "MASK": the last counter word of every mask, so that no other stream meets it. */
export const MASK_WORD = 0x4d41534b;

/** What names a mask's stream: the expert and the tensor's canonical name. */
export function maskName(expert: string, segment: string): [number, number] {
  return fnv1a64(`${expert}/${segment}`);
}

/** u of one element; it is kept where u < density. `index` counts in the checkpoint's own layout. */
export function maskUniform(seed: number, expert: string, segment: string, index: number): number {
  const block = Math.floor(index / 4) >>> 0;
  const words = philox([block, ...maskName(expert, segment), MASK_WORD], seedKey(seed));
  return uniform(words[index % 4] as number);
}

/** `uniform(word) < density` in whole numbers: `(word >>> 8) < keepBelow(density)`, exact. */
export function keepBelow(density: number): number {
  return Math.ceil(density * 2 ** 24);
}

/** r₁ (draw 0) and r₂ (draw 1) of a move. `index`: 0, segment index, or element index (modulo 2³²). */
export function moveUniform(seed: number, step: number, particle: number, draw: 0 | 1, index: number): number {
  return uniform(philox([step, particle, draw, index >>> 0], seedKey(seed))[0] as number);
}
