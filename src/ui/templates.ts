/** Templates of a task as the page shows them: `{{column}}`, the column a template is, and what a row makes of one. */
import type { Role } from "./state/ownTasks.svelte.ts";

/** Names that say what a column is for, as data sets use them; first ones first. */
const USUAL: Readonly<Record<Role, readonly string[]>> = {
  prompt: ["prompt", "text", "sentence", "sentence1", "question1", "premise", "question", "input", "content", "review", "instruction", "query", "source"],
  pair: ["pair", "sentence2", "question2", "hypothesis", "text_pair", "text2"],
  choices: ["choices", "options", "endings"],
  answer: ["answer", "label", "labels", "target", "output", "completion", "score", "gold", "summary", "solution"],
};

export const column = (name: string): string => `{{${name}}}`;

/** The template of the column that is likely meant; empty: none is. */
export function columnFor(role: Role, columns: readonly string[]): string {
  const found = USUAL[role].find((name) => columns.includes(name));
  if (found !== undefined) return column(found);
  return role === "prompt" && columns[0] !== undefined ? column(columns[0]) : "";
}

/** The one column a template is, or null. */
export function onlyColumn(template: string): string | null {
  return /^\{\{\s*([^{}|]+?)\s*\}\}$/.exec(template)?.[1] ?? null;
}

/** As the first rows show it: a column's text in place of its name, what is not there left as it stands. */
export function shown(template: string, row: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{\s*([^{}|]+?)\s*(?:\|[^{}]*)?\}\}/g, (whole, path: string) => (Object.hasOwn(row, path) ? (row[path] ?? "") : (within(path, row) ?? whole)));
}

/** `choices.text.0` of a row whose column `choices` holds JSON. */
function within(path: string, row: Readonly<Record<string, string>>): string | null {
  const [name = "", ...steps] = path.split(".");
  try {
    let value: unknown = JSON.parse(row[name] ?? "");
    for (const step of steps) value = (value as Record<string, unknown>)[step];
    return typeof value === "string" ? value : value === undefined ? null : JSON.stringify(value);
  } catch {
    return null; // no JSON, or cut short
  }
}
