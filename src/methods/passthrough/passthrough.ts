/** θ, or scale·θ. */
import { type Float, number } from "../expression.ts";
import type { Method, Model } from "../method.ts";

export const passthrough: Method = ({ arithmetic: a, models }) => {
  const { value, parameters } = models[0] as Model; // settle saw that there is one
  const scale = parameters["scale"] as number | undefined;
  return scale === undefined ? (value as Float) : a.mul(value, number(scale));
};
