/**
 * `npm test`: installs what is missing, a browser included, then types and lint (one count each), unit tests, tests in a
 * browser, end-to-end tests. The last line is `N passed, N failed` over all of them. A runner that ran nothing has failed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { at, main, root, say } from "./house.mjs";
import { ensureInstalled } from "./install.mjs";

const only = new Set(process.argv.slice(2));
const wanted = (name) => only.size === 0 || only.has(name);
const scratch = mkdtempSync(path.join(tmpdir(), "murmuration-test-"));

const parts = {
  check: () => whole("check", ["svelte-check", "--tsconfig", "./tsconfig.json", "--fail-on-warnings", "--output", "human"]),
  lint: () => whole("lint", ["eslint", ".", "--max-warnings", "0"]),
  unit: () => tests("unit"),
  kernels: () => tests("kernels", { quiet: only.size !== 1 }),
  threads: () => tests("threads"),
  e2e: () => tests("e2e"),
};

await main(async () => {
  const began = performance.now();
  let totals;
  try {
    ensureInstalled();
    const { ensureBrowser } = await import("./browser.mjs");
    process.env.CHROMIUM_PATH = ensureBrowser();
    totals = await runAll();
  } catch (error) {
    say(error.message);
    totals = [{ name: "preparation", passed: 0, failed: 1, seconds: 0 }];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const passed = totals.reduce((sum, part) => sum + part.passed, 0);
  const failed = totals.reduce((sum, part) => sum + part.failed, 0);
  console.log("");
  for (const part of totals) console.log(`${part.name.padEnd(12)} ${part.passed} passed, ${part.failed} failed  (${part.seconds.toFixed(0)} s)`);
  console.log(`${((performance.now() - began) / 1000).toFixed(0)} s in all.\n`);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
});

async function runAll() {
  // Kernels are compiled on one core; what needs no browser goes through the other meanwhile, one after the other.
  const [kernels, beside] = await Promise.all([inTurn(["kernels"]), inTurn(["check", "lint", "unit"])]);
  return [...beside, ...kernels, ...(await inTurn(["threads"])), ...(await inTurn(["e2e"]))];
}

async function inTurn(names) {
  const totals = [];
  for (const name of names.filter(wanted)) totals.push(await parts[name]());
  return totals;
}

/** A tool that is right or wrong as a whole. Its words are shown when it is done, so two can run at once. */
async function whole(name, [tool, ...args]) {
  const began = performance.now();
  const { status, output } = await run(tool, args, { quiet: true });
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`\n── ${name}\n${output.trim()}\n`);
  return { name, passed: Number(status === 0), failed: Number(status !== 0), seconds };
}

async function tests(project, { quiet = false } = {}) {
  const began = performance.now();
  const file = path.join(scratch, `${project}.json`);
  const title = `\n── ${project}\n`;
  if (!quiet) process.stdout.write(title);
  const { status, output } = await run("vitest", ["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${file}`], { quiet });
  if (quiet) process.stdout.write(title + output);
  return { name: project, ...count(file, status), seconds: (performance.now() - began) / 1000 };
}

/** Counts a vitest report: what failed, was left out or could not even be loaded has failed. */
function count(file, status) {
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(file, "utf8"));
  const unloaded = report.testResults.filter((suite) => suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed")).length;
  const passed = report.numPassedTests;
  const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests + unloaded;
  const unsaid = failed === 0 && (status !== 0 || passed === 0);
  if (unsaid) say(passed === 0 ? "No test was run." : "The runner failed outside its tests.");
  return { passed, failed: failed + Number(unsaid) };
}

/** Runs a program of node_modules/.bin by its own Node. */
function run(tool, args, { quiet = false } = {}) {
  const { bin } = JSON.parse(readFileSync(at("node_modules", tool, "package.json"), "utf8"));
  const script = at("node_modules", tool, typeof bin === "string" ? bin : bin[tool]);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ["ignore", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"] });
    let output = "";
    child.stdout?.on("data", (bytes) => (output += bytes));
    child.stderr?.on("data", (bytes) => (output += bytes));
    child.on("close", (status) => resolve({ status: status ?? 1, output }));
  });
}
