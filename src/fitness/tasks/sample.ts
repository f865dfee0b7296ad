/** A row becomes a sample: templates filled in, few-shot examples in front, its answer read. */
import { LabError } from "../../lib/error.ts";
import { metrics } from "../metrics/table.ts";
import type { TextSample } from "../types.ts";
import { answerText, classOf, numberOf, rawAnswer, rightChoices, writer } from "./answers.ts";
import { cleaned } from "./clean.ts";
import type { TaskSpec } from "./settle.ts";
import { fill, fillEach, type Row } from "./template.ts";

export interface MadeSample {
  readonly sample: TextSample;
  /** Class, number, right choice; 1 where a text is generated. */
  readonly label: number;
}

/** Rows that say too little to be asked: what is empty in them. */
export type Empty = "prompt" | "answer" | "choices";

/** Looks without making anything: which rows count at all. */
export function emptyIn(spec: TaskSpec, row: Row): Empty | null {
  if (promptOf(spec, row) === null) return "prompt";
  if (rawAnswer(spec, row) === null) return "answer";
  if (spec.kind === "multiple_choice" && choicesOf(spec, row).length < 2) return "choices";
  return null;
}

/** `shots`: worked examples, each with its answer, to stand before the prompt. */
export function makeSample(spec: TaskSpec, row: Row, id: string, head: readonly string[], shots: readonly string[]): MadeSample {
  const prompt = [...shots, promptOf(spec, row) ?? ""].join(spec.separator);
  if (spec.kind === "classification" || spec.kind === "regression") {
    const pair = spec.pair && fill(spec.pair, row, spec.columns, writer(spec));
    const label = spec.kind === "regression" ? numberOf(spec, row, id) : classOf(spec, row, id, head);
    return { sample: { prompt, ...(pair ? { pair: cleaned(pair, spec.clean) } : {}) }, label };
  }
  if (spec.kind === "multiple_choice") {
    const choices = choicesOf(spec, row);
    const right = rightChoices(spec, row, id, choices);
    return { sample: { prompt, choices, right }, label: right[0] ?? 0 };
  }
  const answer = answerText(spec, row) ?? "";
  const label = metrics[spec.metric].labels === "numbers" ? numberOf(spec, row, id) : 1;
  if (spec.kind !== "code") return { sample: { prompt, answer }, label };
  const tests = spec.tests.flatMap((one) => fillEach(one, row, spec.columns)).filter((test) => test.trim() !== "");
  if (tests.length === 0) throw new LabError("bad-samples", `Task ${spec.id}: sample ${id} has no tests to run its code against.`);
  return { sample: { prompt, answer, tests }, label };
}

/** A row as a worked example: its prompt, and behind it what should follow. */
export function exampleOf(spec: TaskSpec, row: Row, id: string): string {
  const prompt = promptOf(spec, row);
  if (prompt === null) throw new LabError("bad-samples", `Task ${spec.id}: the few-shot example ${id} has no prompt.`);
  if (spec.kind !== "multiple_choice") return prompt + (answerText(spec, row) ?? "");
  const choices = choicesOf(spec, row);
  return prompt + (choices[rightChoices(spec, row, id, choices)[0] ?? 0] ?? "");
}

function promptOf(spec: TaskSpec, row: Row): string | null {
  const text = fill(spec.prompt, row, spec.columns, writer(spec));
  return text === null ? null : cleaned(text, spec.clean);
}

function choicesOf(spec: TaskSpec, row: Row): string[] {
  return spec.choices.flatMap((one) => fillEach(one, row, spec.columns)).map((text) => (spec.clean.length === 0 ? text : /^\s*/.exec(text)?.[0] + cleaned(text, spec.clean)));
}
