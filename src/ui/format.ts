/** Numbers and durations as people read them. Scores are 0–1 inside, per cent and points outside. */
export const percent = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)} %`;

/** Difference of two scores in points, with a true minus sign. */
export function points(difference: number, digits = 1): string {
  const text = Math.abs(difference * 100).toFixed(digits);
  return Number(text) === 0 ? text : `${difference < 0 ? "−" : "+"}${text}`;
}

export const score = (value: number): string => (Number.isFinite(value) ? value.toFixed(3).replace("-", "−") : "–");

export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)} kB`;
  return `${(count / 1_000_000).toFixed(count < 100_000_000 ? 1 : 0)} MB`;
}

export function seconds(count: number): string {
  if (count < 1) return "under 1 s";
  if (count < 100) return `${Math.round(count)} s`;
  return count < 6000 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1)} h`;
}

export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} B weights`;
  return count >= 1e5 ? `${(count / 1e6).toFixed(count < 1e7 ? 2 : 0)} M weights` : `${Math.round(count / 1000)} k weights`;
}

/** "a, b and c" */
export function list(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}
