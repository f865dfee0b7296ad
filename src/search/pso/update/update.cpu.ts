/**
 * The definition of a move, one segment of one particle:
 * v ← w·v + a·(pbest − x) + b·(gbest − x);  x ← x + v, with a = c₁r₁ and b = c₂r₂, in f32.
 */
import { moveUniform } from "../../../lib/rules.ts";
import { checkpointIndex, type MoveRule, type Segment } from "../../../space/types.ts";

/** a and b of one segment; null when every element draws its own. */
export function moveFactors(rule: MoveRule, step: number, particle: number, segment: number): [number, number] | null {
  if (rule.random === "element") return null;
  const index = rule.random === "tensor" ? segment : 0;
  const a = rule.cognitive * moveUniform(rule.seed, step, particle, 0, index);
  const b = rule.social * moveUniform(rule.seed, step, particle, 1, index);
  return [Math.fround(a), Math.fround(b)];
}

/** Moves `x` and `v` in place; says whether all of `x` is finite. */
export function update(
  x: Float32Array, v: Float32Array, pbest: Float32Array, gbest: Float32Array,
  rule: MoveRule, step: number, particle: number, segment: Pick<Segment, "index" | "start" | "shape" | "transposed">,
): boolean {
  const inertia = Math.fround(rule.inertia);
  const factors = moveFactors(rule, step, particle, segment.index);
  let [a, b] = factors ?? [0, 0];
  let spoilt = 0;
  for (let i = 0; i < x.length; i++) {
    if (!factors) {
      const index = segment.start + checkpointIndex(segment, i);
      a = Math.fround(Math.fround(rule.cognitive) * moveUniform(rule.seed, step, particle, 0, index));
      b = Math.fround(Math.fround(rule.social) * moveUniform(rule.seed, step, particle, 1, index));
    }
    const at = x[i] as number;
    const pull = a * Math.fround((pbest[i] as number) - at) + b * Math.fround((gbest[i] as number) - at);
    v[i] = inertia * (v[i] as number) + pull;
    x[i] = at + (v[i] as number);
    spoilt += (x[i] as number) * 0;
  }
  return spoilt === 0;
}
