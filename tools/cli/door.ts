/** What the command line needs of the app before a browser is open; bundled for Node by tools/cli/app.mjs. */
export { modelCard } from "../../src/export/card.ts";
export { mergekitConfig } from "../../src/export/mergekit.ts";
export { folderCard } from "../../src/export/folderCard.ts";
export { pushFolder } from "../../src/hub/push.ts";
export { isLabError } from "../../src/lib/error.ts";
export { readMergekit } from "../../src/recipe/mergekit/read.ts";
export { mergekitProblem, toMergekitYaml } from "../../src/recipe/mergekit/write.ts";
export { parseReport } from "../../src/recipe/report.ts";
export { parseRecipe } from "../../src/recipe/schema.ts";
export { resultSentence } from "../../src/recipe/sentence.ts";
export { applySetting } from "../../src/recipe/set.ts";
export { verdictOn } from "../../src/recipe/verify.ts";
export { digestOfWeights } from "../../src/streaming/report.ts";
export { exportedRun, mergesFolders } from "../../src/streaming/runs.ts";
export { planOf } from "../../src/search/searches.ts";
