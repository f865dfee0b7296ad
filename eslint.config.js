/**
 * The rules of the house. Layers: a stage imports what is below it; of the stages before it in the pipeline it imports types and,
 * where a rule is shared on purpose, the pure functions named here. src/engine is the one place that joins stages.
 */
import boundaries from "eslint-plugin-boundaries";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import tseslint from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const never = [
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: "Random numbers are a function of (seed, stream, counter): src/lib/philox.ts." },
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: "A run knows no clock; for durations take performance.now()." },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "A run knows no clock; for durations take performance.now()." },
];
const noSkips = [
  {
    selector: "MemberExpression[object.name=/^(test|it|describe|suite)$/][property.name=/^(skip|only|todo|skipIf|runIf|fails)$/]",
    message: "A test that is left out is a test that lies: fix it or remove it.",
  },
];

/** The pipeline, in the order data flows. */
const stages = ["hub", "checkpoint", "methods", "space", "search", "fitness", "recipe", "streaming", "export"];
const folder = (type, pattern) => ({ type, pattern, partialMatch: false });
const elements = [
  ...["lib", "gpu", "threads", ...stages, "engine", "lab", "ui", "sw"].map((type) => folder(type, `src/${type}`)),
  folder("workers", "workers"),
];
/** Single files in src/. */
const files = [
  { category: "door", pattern: "src/{index,lab}.ts" },
  { category: "page", pattern: "src/{main,headless}.ts" },
  { category: "words", pattern: "src/*.d.ts" },
];

const single = new Set(files.map(({ category }) => category));
const to = (...types) => {
  const [alone, stand] = [types.filter((type) => single.has(type)), types.filter((type) => !single.has(type))];
  return [
    ...(alone.length ? [{ file: { categories: { anyOf: alone } } }] : []),
    ...(stand.length ? [{ element: { types: { anyOf: stand } } }] : []),
  ];
};
/** @param {string | string[]} from */
const may = (from, ...types) => ({ from: to(...[from].flat()), allow: { to: to(...types) } });
const mayName = (from, ...types) => ({ from: to(...[from].flat()), allow: { to: to(...types), dependency: { kind: "type" } } });

const policies = [
  may("gpu", "lib"),
  may("threads", "lib"),
  may(stages, "gpu", "threads", "lib"),
  // Interfaces between threads speak of every noun; recipe and report are the words all stages are told in.
  mayName("threads", ...stages),
  ...stages.map((stage, index) => mayName(stage, "recipe", ...stages.slice(0, index))),
  // The hub parses what it downloaded; a space aligns checkpoints and writes the lifted graph; a plan counts their bytes; an export writes one back.
  may(["hub", "space", "recipe", "export"], "checkpoint"),
  // An export writes mergekit's file, whose grammar the recipe knows.
  may("export", "recipe"),
  // And turns weights back into the layout of their checkpoint.
  may("export", "space"),
  // The hub puts one checkpoint's weights into another model's graph: how they are matched is aligning's.
  may("hub", "space"),
  mayName("checkpoint", "space"),
  // Masks of a basis follow the methods' rules; a search starts from data-free merges; a recipe asks for them.
  may(["space", "search", "recipe"], "methods"),
  // Resident particles are weights over a space.
  may("search", "space"),
  // The recipe's schema is made from the searches' and metrics' own tables: one line a method, nowhere twice.
  may("recipe", "search", "fitness"),
  // A merge of folders reads, merges and writes what a plan says.
  may("streaming", "hub", "checkpoint", "methods", "recipe"),
  may("engine", "lib", "gpu", "threads", ...stages),
  may(["lab", "door"], "lib", "threads", "recipe", "lab", "door"),
  mayName(["lab", "door"], ...stages),
  // The page reaches stages only through the library's door and the threads' types.
  may("ui", "lib", "threads", "door"),
  may("page", "door", "ui", "sw", "lib"),
  may("workers", "lib", "threads", "engine", "fitness", "hub", "streaming"),
];

export default tseslint.config(
  { ignores: ["dist", "dist-lib", "node_modules", "test-results", "public", "out"] },
  ...tseslint.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/ban-ts-comment": ["error", { "ts-expect-error": "allow-with-description", "ts-ignore": true, "ts-nocheck": true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "none" }],
      "@typescript-eslint/consistent-type-imports": ["error", { prefer: "type-imports", fixStyle: "separate-type-imports", disallowTypeAnnotations: false }],
      eqeqeq: ["error", "smart"],
      "no-console": ["error", { allow: ["warn", "error"] }],
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: tseslint.parser, extraFileExtensions: [".svelte"], svelteConfig } },
    // State is replaced, never mutated; a Map inside a function is nobody's state.
    rules: { "svelte/prefer-svelte-reactivity": "off" },
  },
  {
    files: ["src/**", "workers/**"],
    plugins: { boundaries },
    settings: { "boundaries/elements": elements, "boundaries/files": files, "boundaries/dependency-nodes": ["import", "dynamic-import", "export"] },
    rules: { "boundaries/dependencies": ["error", { default: "disallow", policies }], "boundaries/no-unknown-files": "error" },
  },
  { files: ["src/**", "workers/**"], rules: { "no-restricted-syntax": ["error", ...never] } },
  { files: ["src/ui/**"], rules: { "no-restricted-syntax": ["error", ...never.slice(0, 2)] } },
  { files: ["tests/**"], rules: { "no-restricted-syntax": ["error", ...noSkips, never[0]] } },
  { files: ["tools/**", "tests/**"], rules: { "no-console": "off" } },
);
