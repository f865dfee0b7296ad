/** What the command line needs of the app before a browser is open; bundled for Node by tools/cli/app.mjs. */
export { isLabError } from "../../src/lib/error.ts";
export { parseRecipe } from "../../src/recipe/schema.ts";
