/** Wilson's score interval for a proportion (1927): stays inside 0..1 and holds its level near the ends. */

/** 97.5 % point of the normal distribution. */
export const Z95 = 1.959963984540054;

export type Interval = readonly [number, number];

export function wilson(right: number, n: number, z = Z95): Interval {
  if (n === 0) return [0, 1];
  const p = right / n;
  const zz = (z * z) / n;
  const centre = (p + zz / 2) / (1 + zz);
  const half = (Math.sqrt((p * (1 - p) * zz) + (zz * zz) / 4)) / (1 + zz);
  // At 0 and n one end is exactly 0 or 1; rounding must not pass it.
  return [right === 0 ? 0 : Math.max(0, centre - half), right === n ? 1 : Math.min(1, centre + half)];
}
