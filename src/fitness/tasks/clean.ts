/** What is taken out of texts before they are asked, by name. */
const CLEANERS = {
  /** Marks in brackets that a crawl left behind ([header], [step]); a [title] ended a sentence. Doubled blanks become one (Zellers et al. 2019, HellaSwag). */
  brackets: (text: string) => text.trim().replaceAll(" [title]", ". ").replace(/\[[^\]]*\]/g, "").replace(/ {2,}/g, " ").trim(),
} as const;

export type Cleaner = keyof typeof CLEANERS;
export const CLEANER_NAMES = Object.keys(CLEANERS) as [Cleaner, ...Cleaner[]];

export const cleaned = (text: string, by: readonly Cleaner[]): string => by.reduce((now, name) => CLEANERS[name](now), text);
