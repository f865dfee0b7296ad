/** sin((1−t)Ω)/sin Ω · θ₀ + sin(tΩ)/sin Ω · θ₁, Ω the angle between the tensors as vectors. In f32 whatever the arithmetic. */
import { add, type Float, mul, number } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";

/** |cos Ω| above it: a straight line does, as the sines would divide by next to nothing. */
const NEARLY_PARALLEL = 0.9995;
/** Shorter vectors count as of length 1. */
const LEAST_NORM = 1e-8;

export const slerp: Method = async (tensor) => {
  const { models, passes, parameters, job } = tensor;
  const [a, b] = [baseOf(tensor), models[0]?.value as Float];
  const t = Math.fround(parameters["t"] as number);
  const { sums: [aa = 0, bb = 0, ab = 0] } = await passes.totals([mul(a, a), mul(b, b), mul(a, b)]);
  const norm = (square: number) => (Math.sqrt(square) > LEAST_NORM ? Math.sqrt(square) : 1);
  const cos = Math.max(-1, Math.min(1, ab / (norm(aa) * norm(bb))));
  const line = Math.abs(cos) > NEARLY_PARALLEL;
  if (line) {
    tensor.warn("slerp-fell-back-to-lerp", `slerp of ${job.name} is a straight line: base and model are nearly parallel there (cosine ${cos.toPrecision(6)}), as small fine-tunes are.`);
    return add(mul(a, number(1 - t)), mul(b, number(t)));
  }
  const angle = Math.acos(cos);
  const share = (part: number) => number(Math.sin(part * angle) / Math.sin(angle));
  return add(mul(a, share(1 - t)), mul(b, share(t)));
};
