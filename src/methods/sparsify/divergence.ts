/** KL(softmax p ‖ softmax q) of one row, 1e-8 added to every chance: the importance arcee_fusion gives a row. */
const EPSILON = 1e-8;

/** `round` after every step: the divergence of near equals is nothing but what its steps rounded. */
export function rowDivergence(p: Float32Array, q: Float32Array, length: number, round: (value: number) => number): number {
  const [a, b] = [softmax(p, length, round), softmax(q, length, round)];
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const [x, y] = [round((a[i] as number) + EPSILON), round((b[i] as number) + EPSILON)];
    sum += round(x * round(Math.log(round(x / y))));
  }
  return round(sum);
}

/** Inside it f32, whatever the arithmetic. */
function softmax(x: Float32Array, length: number, round: (value: number) => number): Float64Array {
  let top = -Infinity;
  for (let i = 0; i < length; i++) top = Math.max(top, x[i] as number);
  const out = new Float64Array(length);
  let sum = 0;
  for (let i = 0; i < length; i++) sum += out[i] = Math.fround(Math.exp(Math.fround((x[i] as number) - top)));
  sum = Math.fround(sum);
  for (let i = 0; i < length; i++) out[i] = round(Math.fround((out[i] as number) / sum));
  return out;
}
