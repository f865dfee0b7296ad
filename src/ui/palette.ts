/** One colour an expert, everywhere: its place in the family decides, so leaving one out recolours nobody. */
export const COLOURS = 8;

export function colourOf(id: string, experts: readonly string[]): string {
  const place = experts.indexOf(id);
  return place < 0 ? "var(--base)" : `var(--e${place % COLOURS})`;
}

/** "digits:dare(0.2)" → "digits": the model a starting point was made from. */
export function originModel(origin: string): string {
  return origin.split(":")[0] ?? origin;
}
