/** The command line as a person starts it: its own process, its exit code, its words. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "../../src/index.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const tiny = path.join(root, "tests/e2e/tiny.json");
const program = path.join(root, "tools/cli/murmuration.mjs");

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** The last line of stdout. */
  result: Record<string, unknown> & { ok?: boolean };
}

/** `during` sees stderr grow and may send signals. */
export function murmuration(args: string[], options: { input?: string; during?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: root, env: process.env });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (bytes) => (stdout += bytes));
    child.stderr.on("data", (bytes) => {
      stderr += bytes;
      options.during?.(stderr, (signal) => void child.kill(signal));
    });
    child.stdin.end(options.input ?? "");
    child.on("close", (exitCode) => {
      const last = stdout.trim().split("\n").at(-1) ?? "";
      resolve({ exitCode, stdout, stderr, result: last.startsWith("{") ? JSON.parse(last) : {} });
    });
  });
}

export const folder = (name: string) => mkdtempSync(path.join(tmpdir(), `murmuration-${name}-`));
export const reportIn = (out: string): Report => JSON.parse(readFileSync(path.join(out, "report.json"), "utf8"));
export const rowsIn = (out: string): { run: string; evaluation: number; fitness: number }[] =>
  readFileSync(path.join(out, "trace.jsonl"), "utf8").trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
