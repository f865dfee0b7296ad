/** What a row's answer means: a class of the head, a number, right choices, or a text. */
import { LabError } from "../../lib/error.ts";
import { list, show } from "../../lib/words.ts";
import { numberRead } from "./extract.ts";
import { metrics } from "../metrics/table.ts";
import type { TaskSpec } from "./settle.ts";
import { fill, fillEach, onlyHole, type Row, type Write } from "./template.ts";

/** The value itself where the template is one hole, else the text it makes. null: there is none. */
export function rawAnswer(spec: TaskSpec, row: Row): unknown {
  const path = onlyHole(spec.answer);
  const value = path === null ? fill(spec.answer, row, spec.columns) : spec.columns.read(path, row);
  return value === undefined || value === "" || (typeof value === "string" && value.trim() === "") || (value === SECRET && metrics[spec.metric].labels === "classes") ? null : value;
}

/** How datasets mark answers they keep to themselves. */
const SECRET = -1;

/** Names of classes in place of their numbers, in the answer and wherever the source tells names. */
export function writer(spec: TaskSpec): Write {
  const answers = onlyHole(spec.answer);
  const column = answers === null ? null : spec.columns.of(answers);
  return (value, from) => {
    if (typeof value !== "number" || from === null || !Number.isInteger(value)) return value;
    const names = from === column && Array.isArray(spec.labels) ? (spec.labels as readonly string[]) : Object.hasOwn(spec.names, from) ? spec.names[from] : undefined;
    return names?.[value] ?? value;
  };
}

/** The answer as it is read aloud: what few-shot examples show, and what a generated text is held against. */
export function answerText(spec: TaskSpec, row: Row): string | null {
  return rawAnswer(spec, row) === null ? null : fill(spec.answer, row, spec.columns, writer(spec));
}

/** Names of the row's choices or classes, by number. */
function namesOf(spec: TaskSpec, row: Row): readonly string[] {
  if (spec.labels === null) return [];
  return "parts" in spec.labels ? fillEach(spec.labels, row, spec.columns) : spec.labels;
}

/** A class of the head, by name; by number where no names are told, or where the head has only LABEL_0, LABEL_1 … */
export function classOf(spec: TaskSpec, row: Row, id: string, head: readonly string[]): number {
  const raw = rawAnswer(spec, row);
  const names = namesOf(spec, row);
  const text = typeof raw === "string" ? raw.trim() : typeof raw === "boolean" ? String(raw) : undefined;
  const number = whole(raw) ?? (text === undefined ? -1 : sameName(names, text));
  const name = text !== undefined && sameName(head, text) !== -1 ? text : (names[number] ?? text);
  const found = name === undefined ? -1 : sameName(head, name);
  if (found !== -1) return found;
  const anonymous = names.length === 0 || head.every((label, i) => label === `LABEL_${i}`);
  if (anonymous && number >= 0 && number < head.length && (names.length === 0 || names.length === head.length)) return number;
  throw new LabError("bad-samples", `Task ${spec.id}: sample ${id} has the label ${show(name ?? raw)}, which its head does not know. The head knows ${list(head.slice(0, 8))}${head.length > 8 ? " …" : ""}; say with labels what the numbers stand for, or take the head of another model.`, { details: { task: spec.id, sample: id } });
}

export function numberOf(spec: TaskSpec, row: Row, id: string): number {
  const raw = rawAnswer(spec, row);
  const number = typeof raw === "number" ? raw : typeof raw !== "string" ? NaN : spec.kind === "generation" ? (numberRead(raw, spec.extract) ?? NaN) : Number(raw);
  if (Number.isFinite(number)) return number;
  throw new LabError("bad-samples", `Task ${spec.id}: the answer of sample ${id} is ${show(raw)}, but its metric compares numbers.`, { details: { task: spec.id, sample: id } });
}

/**
 * Right choices, at least one. A list of 0 and 1 marks them; a number is a position, counted from 0; a text is a choice as it stands, one of
 * `labels`, a position, or a letter, whichever fits first.
 */
export function rightChoices(spec: TaskSpec, row: Row, id: string, choices: readonly string[]): number[] {
  const raw = rawAnswer(spec, row);
  const right = Array.isArray(raw) ? marked(raw, choices.length) : [positionOf(raw, choices, namesOf(spec, row))];
  if (right.length > 0 && right.every((at) => at >= 0 && at < choices.length)) return right;
  throw new LabError("bad-samples", `Task ${spec.id}: the answer of sample ${id} is ${Array.isArray(raw) ? show(JSON.stringify(raw)) : show(raw)}, which is none of its ${choices.length} choices (${choices.slice(0, 4).map((one) => show(one.trim())).join(", ")}${choices.length > 4 ? " …" : ""}).`, { details: { task: spec.id, sample: id } });
}

function marked(marks: readonly unknown[], count: number): number[] {
  if (marks.length !== count) return [];
  return marks.flatMap((mark, i) => (mark === 1 || mark === true ? [i] : []));
}

function positionOf(raw: unknown, choices: readonly string[], names: readonly string[]): number {
  if (typeof raw === "number") return Number.isInteger(raw) ? raw : -1;
  if (typeof raw !== "string") return -1;
  const text = raw.trim();
  const tries = [sameName(choices, text), sameName(names, text), whole(text) ?? -1, /^[A-Z]$/i.test(text) ? text.toUpperCase().charCodeAt(0) - 65 : -1];
  return tries.find((at) => at >= 0 && at < choices.length) ?? -1;
}

/** Exactly, else whatever its case. */
function sameName(names: readonly string[], name: string): number {
  const exact = names.findIndex((one) => one.trim() === name);
  return exact !== -1 ? exact : names.findIndex((one) => one.trim().toLowerCase() === name.toLowerCase());
}

function whole(value: unknown): number | null {
  const number = typeof value === "number" ? value : typeof value === "string" && /^\d{1,9}$/.test(value.trim()) ? Number(value) : NaN;
  return Number.isInteger(number) && number >= 0 ? number : null;
}
