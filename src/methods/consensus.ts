/** TIES' election: an element counts where it has the sign of the sum over models; zero counts nowhere. */
import type { Arithmetic } from "./arithmetic.ts";
import { type Float, ge, gt, mul, number, select, type Truth } from "./expression.ts";

/** A sum of 0 elects +. */
export function consensus({ sum }: Arithmetic, vectors: readonly Float[]): readonly Truth[] {
  const sign = select(ge(sum(vectors), number(0)), number(1), number(-1));
  return vectors.map((vector) => gt(mul(vector, sign), number(0)));
}
