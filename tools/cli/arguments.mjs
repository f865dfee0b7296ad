/** What may be asked of the command line, and how it is said. Nothing is started before this and the recipe are in order. */
import { parseArgs } from "node:util";
import { Plain } from "../house.mjs";
import { nearest } from "./nearest.mjs";

export const exitCodes = { done: 0, badRecipe: 2, cannotMerge: 3, cannotRead: 4, failed: 5, interrupted: 130 };

const options = {
  merge: {
    out: { type: "string" },
    backend: { type: "string" },
    seed: { type: "string" },
    set: { type: "string", multiple: true },
    resume: { type: "boolean" },
    force: { type: "boolean" },
    "dry-run": { type: "boolean" },
    safetensors: { type: "boolean" },
    push: { type: "string" },
    private: { type: "boolean" },
    quiet: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
  score: {
    tasks: { type: "string" },
    backend: { type: "string" },
    set: { type: "string", multiple: true },
    quiet: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
  verify: {
    backend: { type: "string" },
    quiet: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
};

const bad = (message) => new Plain(message, exitCodes.badRecipe);

/** @param {string[]} argv */
export function parseArguments(argv) {
  const [command, ...rest] = argv;
  if (command === undefined || command === "--help" || command === "-h" || command === "help")
    return { command: "help", about: options[rest[0]] ? rest[0] : null };
  if (!Object.hasOwn(options, command)) throw bad(`There is no command ${command}. Nearest: ${nearest(command, Object.keys(options))}. \`murmuration --help\` lists them.`);

  let parsed;
  try {
    parsed = parseArgs({ args: rest, options: options[command], allowPositionals: true, strict: true });
  } catch (error) {
    const unknown = /Unknown option '([^']+)'/.exec(error.message)?.[1];
    if (!unknown) throw bad(`${error.message.split("\n")[0]} \`murmuration ${command} --help\` says what may be given.`);
    throw bad(`${command} knows no ${unknown}. Nearest: --${nearest(unknown.replace(/^-+/, ""), Object.keys(options[command]))}.`);
  }
  const { values, positionals } = parsed;
  if (values.help) return { command: "help", about: command };
  const wants = { merge: "a recipe", score: "a model", verify: "a report" }[command];
  if (positionals.length === 0) throw bad(`${command} needs ${wants}: \`murmuration ${usage[command]}\`.`);
  if (positionals.length > 1) throw bad(`${command} takes ${wants}, but ${positionals.length} were given: ${positionals.join(", ")}.`);
  if (values.backend !== undefined && !["auto", "webgpu", "wasm"].includes(values.backend))
    throw bad(`--backend is auto, webgpu or wasm, not ${values.backend}.`);
  if (values.seed !== undefined && !(/^\d+$/.test(values.seed) && Number(values.seed) < 2 ** 32))
    throw bad(`--seed is a whole number from 0 to 4294967295, not ${values.seed}.`);
  if (command === "merge" && values.out === undefined && !values["dry-run"]) throw bad("Say where the merged model goes: --out DIR.");
  if (command === "score" && values.tasks === undefined) throw bad("Say which recipe's tasks to score on: --tasks RECIPE.");
  if (values.push !== undefined && !/^[\w.-]{1,96}\/[\w.-]{1,96}$/.test(values.push)) throw bad(`--push is owner/name of a repository on the Hub, not ${values.push}.`);
  if (values.push !== undefined && values["dry-run"]) throw bad("--dry-run writes nothing, so there is nothing to push: give one of them.");
  if (values.private && values.push === undefined) throw bad("--private says what kind of repository --push makes: give both.");
  if (values.resume && values.force) throw bad("--resume goes on with what lies in DIR, --force replaces it: give one of them.");
  return {
    command,
    what: positionals[0],
    out: values.out,
    tasks: values.tasks,
    backend: values.backend ?? "auto",
    seed: values.seed === undefined ? null : Number(values.seed),
    set: values.set ?? [],
    resume: values.resume ?? false,
    force: values.force ?? false,
    dryRun: values["dry-run"] ?? false,
    safetensors: values.safetensors ?? false,
    push: values.push ?? null,
    private: values.private ?? false,
    quiet: values.quiet ?? false,
  };
}

const usage = {
  merge: "merge RECIPE --out DIR",
  score: "score MODEL --tasks RECIPE",
  verify: "verify REPORT",
};

/** @param {string | null} about */
export function help(about) {
  return about === null ? general : details[about];
}

const codes = `
Exit codes: 0 done; 2 bad recipe or arguments, nothing was started; 3 models that cannot be merged;
4 something could not be read or downloaded; 5 the run failed; 130 interrupted.
The last line of standard output is one line of JSON; progress goes to standard error.
`;

const general = `Murmuration merges neural networks.

  murmuration merge RECIPE --out DIR      runs a recipe, writes the merged model and its report
  murmuration score MODEL --tasks RECIPE  scores a model on a recipe's tasks, merges nothing
  murmuration verify REPORT               replays a shared run and says what matched
  murmuration COMMAND --help              all options
${codes}`;

const details = {
  merge: `murmuration merge RECIPE --out DIR [options]

RECIPE is a .json file (docs/recipe.md), a .yml file of mergekit, or - for standard input. Paths in it are relative to it.
Without tasks it merges folders of safetensors; --resume then only looks whether that is done already.

  --out DIR            where model, report, predictions and trace go; it must be empty or new
  --backend B          auto (default), webgpu or wasm: what scores the candidates
  --seed N             seed of the searches, in place of the recipe's seeds.search
  --set path=value     changes one value of the recipe: runs.0.swarm=resident, tasks.digits.optimise=100
  --resume             goes on after the rows of DIR/trace.jsonl
  --force              lets a run replace what an earlier one wrote into DIR
  --dry-run            says whether it fits, and what it would cost; runs nothing
  --safetensors        model.safetensors beside the ONNX files, for transformers in Python; of folders it is what is written anyway
  --push OWNER/NAME    puts what DIR then holds into that repository of the Hub, made if it is not there; HF_TOKEN is the token,
                       HF_ENDPOINT another Hub
  --private            makes that repository private
  --quiet              no progress
${codes}`,
  score: `murmuration score MODEL --tasks RECIPE [options]

MODEL is zoo/FAMILY/NAME, or a folder laid out as on the Hub (config.json, onnx/model.onnx); a folder that merge wrote will do.

  --tasks RECIPE       base, heads, tasks and samples come from this recipe
  --backend B          auto (default), webgpu or wasm
  --set path=value     changes one value of the recipe
  --quiet              no progress
${codes}`,
  verify: `murmuration verify REPORT [options]

REPORT is a report.json, or the folder it lies in. The search is told the report's scores, so it follows the same
path; every candidate is scored here again and compared.

  --backend B          auto (default), webgpu or wasm
  --quiet              no progress
${codes}`,
};
