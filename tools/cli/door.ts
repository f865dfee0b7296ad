/** What the command line needs of the app before a browser is open; bundled for Node by tools/cli/app.mjs. */
export { modelCard } from "../../src/export/card.ts";
export { mergekitConfig } from "../../src/export/mergekit.ts";
export { isLabError } from "../../src/lib/error.ts";
export { parseReport } from "../../src/recipe/report.ts";
export { parseRecipe } from "../../src/recipe/schema.ts";
export { resultSentence } from "../../src/recipe/sentence.ts";
export { applySetting } from "../../src/recipe/set.ts";
export { verdictOn } from "../../src/recipe/verify.ts";
export { planOf } from "../../src/search/searches.ts";
