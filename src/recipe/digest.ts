/**
 * The digest of a trace: SHA-256 over canonical JSON (RFC 8785) of what determines it. Every proposal with its candidate
 * and its flags; the scores of what became a best (racing may leave the others unscored); no times.
 */
import canonicalize from "canonicalize";
import { metricOf, type MetricName } from "../fitness/metrics/table.ts";
import { LabError } from "../lib/error.ts";
import type { ReportTraceRow } from "./report.ts";

/** Log-likelihoods are rounded to this; proportions count right answers instead. */
const ROUNDED = 1e4;

type Row = Omit<ReportTraceRow, "origin" | "fitness" | "run">;

/** What of a recipe the digest needs; a parsed recipe is one. */
export interface Measures {
  readonly tasks: readonly { readonly id: string; readonly metric?: MetricName | undefined; readonly measure?: "metric" | "log_likelihood" | undefined }[];
  readonly fitness: { readonly measure: "metric" | "log_likelihood" };
  readonly seeds: { readonly search: number };
}

export async function digestOf(trace: readonly Row[], recipe: Measures): Promise<string> {
  return `sha256:${await sha256(new TextEncoder().encode(canonicalTrace(trace, recipe)))}`;
}

/** What the digest is over, for those who want to compute it elsewhere. */
export function canonicalTrace(trace: readonly Row[], recipe: Measures): string {
  const counted = new Set(recipe.tasks.filter((task) => metricOf(task).proportion && (task.measure ?? recipe.fitness.measure) === "metric").map(({ id }) => id));
  const resident = trace.some(({ candidate }) => candidate.kind === "resident");
  const text = canonicalize({
    murmuration: 1,
    ...(resident ? { seed: recipe.seeds.search } : {}), // coefficients say all; a resident particle is known by its seed
    trace: trace.map((row) => essence(row, counted)),
  });
  if (text === undefined) throw new LabError("internal", "A trace had no canonical form.");
  return text;
}

function essence(row: Row, counted: ReadonlySet<string>) {
  const { evaluation, step, particle, candidate, personalBest, globalBest } = row;
  const flags = [personalBest && "personalBest", globalBest && "globalBest", row.diverged === true && "diverged"].filter(Boolean);
  return { evaluation, step, particle, candidate, flags, ...(personalBest || globalBest ? { scores: scoresOf(row, counted) } : {}) };
}

function scoresOf({ tasks, counts }: Row, counted: ReadonlySet<string>): Record<string, number> {
  return Object.fromEntries(Object.entries(tasks).map(([task, value]) => [task, counted.has(task) && counts?.[task] !== undefined ? counts[task] : Math.round(value * ROUNDED) / ROUNDED]));
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // WebCrypto is there only in secure contexts; a page served over plain http still gets its digest.
  if (globalThis.crypto?.subtle === undefined) return (await import("hash-wasm")).sha256(bytes);
  return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
