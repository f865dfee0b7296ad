/**
 * The result in a plain sentence, for the page and the README. It says "better" only where the paired interval leaves
 * out 0, and always what was given up against each task's own expert.
 */
import { metricOf } from "../fitness/metrics/table.ts";
import { list } from "../lib/words.ts";
import type { Difference, Report } from "./report.ts";

export interface SentencePart {
  readonly text: string;
  /** figure: set strong; loss: what was given up. */
  readonly emphasis?: "figure" | "loss";
}

export interface Sentence {
  readonly parts: readonly SentencePart[];
  readonly text: string;
}

type Told = Pick<Report, "recipe" | "scores" | "differences">;

/** `model`: whose result it is, the exported one unless given; `against`: the comparison, the first plain average unless given. */
export function resultSentence(report: Told, model = report.recipe.export, against = averageOf(report)): Sentence {
  const mean = model === null ? undefined : report.scores[model]?.mean;
  if (model === null || mean?.test === undefined || mean.test === null) return sentence([{ text: "There is no merged model with test scores in this run." }]);
  const parts: SentencePart[] = [
    ...(allShares(report)
      ? [{ text: "The merge is right on " }, { text: percent(mean.test), emphasis: "figure" as const }, { text: " of samples no search has seen" }]
      : [{ text: "The merge scores " }, { text: decimals(mean.test), emphasis: "figure" as const }, { text: " on samples no search has seen" }]),
  ];
  const difference = against === null || against === model ? undefined : report.differences.find(({ a, b, task }) => a === model && b === against && task === "mean");
  if (difference !== undefined && against !== null) parts.push({ text: ", " }, ...compared(report, difference, nameOf(report, against)));
  parts.push({ text: "." }, ...givenUp(report, model));
  return sentence(parts);
}

function compared(report: Told, { estimate, interval: [low, high] }: Difference, name: string): SentencePart[] {
  const figures = figuresOf(report);
  const span = `(95 %: ${figures.bare(low)} to ${figures.bare(high)})`;
  const size = (emphasis: "figure" | "loss") => ({ text: figures.said(Math.abs(estimate)), emphasis });
  if (low > 0) return [size("figure"), { text: ` above ${name} ${span}` }];
  if (high < 0) return [size("loss"), { text: ` below ${name} ${span}`, emphasis: "loss" }];
  return [{ text: `which these samples cannot tell from ${name}: a difference of ${figures.said(estimate)} ${span}` }];
}

/** Tasks on which the merge is surely below the task's own expert, the largest loss first. */
function givenUp(report: Told, model: string): SentencePart[] {
  const figures = figuresOf(report);
  const losses = report.recipe.tasks.flatMap(({ id, head = id }) => {
    // Where models need no head, the expert that was made for a task is called like it.
    const found = report.differences.find(({ a, b, task }) => a === model && b === head && task === id);
    return found !== undefined && found.interval[1] < 0 ? [{ id, loss: -found.estimate }] : [];
  }).sort((a, b) => b.loss - a.loss);
  if (losses.length === 0) return [];
  const said = losses.map(({ id, loss }, i) => `${i === 0 ? figures.said(loss) : figures.bare(loss)} of ${id}`);
  return [{ text: " Against each task's own expert it gives up " }, { text: list(said), emphasis: "loss" }, { text: "." }];
}

/** Accuracies differ by points of a hundred; other scores by plain numbers. */
function figuresOf(report: Told): { bare(difference: number): string; said(difference: number): string } {
  if (allShares(report)) return { bare: points, said: (difference) => `${points(difference)} ${pointsWord(difference)}` };
  const plain = (difference: number) => `${difference < 0 ? "−" : ""}${decimals(Math.abs(difference))}`;
  return { bare: plain, said: plain };
}

function averageOf({ recipe }: Told): string | null {
  return [...recipe.compare, ...recipe.runs].find((run) => run.method === "linear" && run.weights === undefined)?.id ?? null;
}

function nameOf({ recipe }: Told, id: string): string {
  const run = [...recipe.compare, ...recipe.runs].find((one) => one.id === id);
  if (run?.method === "linear" && run.weights === undefined) return "the plain average";
  return recipe.experts.some((expert) => expert.id === id) ? `the expert ${id}` : id === "base" ? "the base" : id;
}

function allShares({ recipe }: Told): boolean {
  return recipe.tasks.every((task) => metricOf(task).proportion);
}

function sentence(parts: readonly SentencePart[]): Sentence {
  return { parts, text: parts.map(({ text }) => text).join("") };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const decimals = (value: number) => value.toFixed(3);
/** In hundredths, one decimal, a true minus sign; never "−0.0". */
function points(difference: number): string {
  const rounded = Math.round(1000 * difference) / 10;
  return `${rounded < 0 ? "−" : ""}${Math.abs(rounded).toFixed(1)}`;
}
const pointsWord = (difference: number) => (Math.abs(Math.round(1000 * difference)) === 10 ? "point" : "points");
