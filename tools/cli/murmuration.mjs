#!/usr/bin/env node
/** `murmuration merge | score | verify`: the very app the page runs, in headless Chromium, on local files. docs/recipe.md has the contract. */
import { Plain, say } from "../house.mjs";
import { ensureInstalled } from "../install.mjs";
import { help, parseArguments } from "./arguments.mjs";

try {
  const asked = parseArguments(process.argv.slice(2));
  if (asked.command === "help") process.stdout.write(help(asked.about));
  else {
    ensureInstalled();
    const { run } = await import(`./${asked.command}.mjs`);
    const result = await run(asked);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    process.exitCode = result.ok ? 0 : 5;
  }
} catch (error) {
  say(error instanceof Plain ? error.message : `Something unforeseen failed: ${error?.stack ?? error}`);
  process.exitCode = error instanceof Plain ? error.exitCode : 5;
  // An interrupted build or a starting browser is not waited for.
  if (process.exitCode === 130) process.exit();
}
