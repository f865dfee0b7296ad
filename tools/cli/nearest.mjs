/** The known word closest to a mistyped one, by edits. */
export function nearest(word, known) {
  const scored = known.map((name) => [distance(word.toLowerCase(), name.toLowerCase()), name]);
  return scored.sort((a, b) => a[0] - b[0])[0]?.[1] ?? "";
}

/** Levenshtein, one row at a time. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
