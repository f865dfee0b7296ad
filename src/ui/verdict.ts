/** The result as one plain sentence, cut into parts so that its figures can stand out. */
import { list, percent, points, seconds } from "./format.ts";
import { s } from "./strings.ts";
import type { Report } from "../index.ts";

export interface Part {
  readonly text: string;
  readonly tone: "plain" | "strong" | "quiet" | "warn";
}

const plain = (text: string): Part => ({ text, tone: "plain" });
const strong = (text: string): Part => ({ text, tone: "strong" });
const quiet = (text: string): Part => ({ text, tone: "quiet" });

export function verdict(report: Report, titles: ReadonlyMap<string, string>): Part[] {
  const id = report.recipe.export ?? report.runs[0]?.id ?? "";
  const mean = report.scores[id]?.mean;
  if (mean?.test === undefined || mean.test === null) return [plain("No merge could be scored: every candidate diverged.")];
  const parts: Part[] = [plain("The merge is right on "), strong(percent(mean.test)), plain(" of samples no search has seen")];
  const average = report.recipe.compare.find((c) => c.method === "linear")?.id;
  const against = report.differences.find((d) => d.a === id && d.b === average && d.task === "mean");
  if (against) {
    const interval = quiet(` (95 %: ${points(against.interval[0])} to ${points(against.interval[1])})`);
    if (against.verdict === "open") parts.push(plain(", no clear difference from the plain average"), interval);
    else parts.push(plain(", "), { text: `${Math.abs(against.estimate * 100).toFixed(1)} points`, tone: against.verdict === "better" ? "strong" : "warn" }, plain(` ${against.verdict === "better" ? "above" : "below"} the plain average`), interval);
  }
  parts.push(plain(". "));
  const given = report.differences
    .filter((d) => d.a === id && d.verdict === "worse" && report.recipe.tasks.some((t) => t.id === d.task && t.head === d.b))
    .sort((a, b) => a.estimate - b.estimate);
  if (given.length > 0) {
    const losses = given.slice(0, 3).map((d) => `${Math.abs(d.estimate * 100).toFixed(0)} of ${titles.get(d.task) ?? d.task}`);
    parts.push(plain(`Against the experts it gives up ${list(losses).replace(/^(\d+)/, "$1 points")}${given.length > 3 ? ", and less of the others" : ""}.`));
  } else parts.push(plain("On no task is it clearly below that task's own expert."));
  const run = report.runs.find((r) => r.id === id) ?? report.runs[0];
  if (run) parts.push(quiet(` ${s.verdict.cost(run.cost.evaluations, seconds(run.cost.wallMs / 1000))}`));
  return parts;
}
