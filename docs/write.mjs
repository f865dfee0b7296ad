/** Writes what the schemas generate: recipe.schema.json, report.schema.json and the tables in recipe.md and tasks.md. `node docs/write.mjs` */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";
import { help } from "../tools/cli/arguments.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const load = async (path) => (await runnerImport(`${root}${path}`, { configFile: false, root })).module;

const { recipeJsonSchema } = await load("src/recipe/schema.ts");
const { reportJsonSchema } = await load("src/recipe/report.ts");
const { fieldTable, presetTable, recipeTable } = await load("src/recipe/documentation.ts");

const at = (name) => new URL(name, import.meta.url);
writeFileSync(at("recipe.schema.json"), `${JSON.stringify(recipeJsonSchema(), null, 2)}\n`);
writeFileSync(at("report.schema.json"), `${JSON.stringify(reportJsonSchema(), null, 2)}\n`);

const replay = readFileSync(at("replay.py"), "utf8").split(/^# -{3}.*$/m)[1].trim();
const pages = {
  "recipe.md": {
    "recipe fields": recipeTable(recipeJsonSchema("inline")),
    "report fields": fieldTable(reportJsonSchema("inline"), ["recipe"]),
    "command line": ["merge", "score", "verify"].map((command) => `\`\`\`\n${help(command).split("\nExit codes:")[0].trim()}\n\`\`\``).join("\n\n"),
    replay: `\`\`\`python\n${replay}\n\`\`\``,
  },
  "tasks.md": { presets: presetTable() },
};
for (const [page, parts] of Object.entries(pages)) {
  let text = readFileSync(at(page), "utf8");
  for (const [name, content] of Object.entries(parts)) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/${page} has lost its marks ${begin} … ${end}.`);
    text = `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
  }
  writeFileSync(at(page), text);
}
