/** What a template may do to a text, by name. */
export const FILTERS = {
  /** First letter large, the others small. */
  capitalise: (text: string) => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase(),
  lower: (text: string) => text.toLowerCase(),
  trim: (text: string) => text.trim(),
  /** A number with one decimal. */
  tenths: (text: string) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text).toFixed(1) : text),
} as const;

export type FilterName = keyof typeof FILTERS;
