/** What may be asked of models by hand: a drawing or a text, and samples of either kind to begin with. */
import type { Lab, Recipe, RowsPreview, ZooFamily } from "../index.ts";
import { Samples } from "./samples.ts";
import type { Question } from "./state/tryIt.svelte.ts";
import { columnFor, onlyColumn, shown } from "./templates.ts";

type Task = Recipe["tasks"][number];

/** Bundled families of pictures say a head for each task; files, data sets and templates are of texts. */
export function isOfTexts(task: Task, family: ZooFamily | null): boolean {
  if (typeof task.source !== "string" || task.kind !== undefined || task.prompt !== undefined || task.preset !== undefined) return true;
  const bundled = family?.tasks.find(({ source }) => source === task.source);
  return bundled ? bundled.head === undefined : /\.(jsonl|csv|tsv|json)$/i.test(task.source);
}

export interface Sample {
  readonly task: string;
  /** The right answer. */
  readonly answer: string;
  readonly question: Question;
}

/** Rows taken at once; the Hub's viewer gives as many a request. */
const ROWS = 100;

/** Samples of a recipe's tasks, another one each time. */
export class SamplesByHand {
  readonly #pictures = new Samples();
  readonly #rows = new Map<string, Promise<RowsPreview>>();
  #taken = 0;

  constructor(readonly lab: Pick<Lab, "preview">) {}

  async next(task: Task, family: ZooFamily | null): Promise<Sample> {
    if (isOfTexts(task, family)) return this.text(task, this.#taken++);
    const bundled = family?.tasks.find(({ id }) => id === task.id);
    if (!bundled) throw new Error("Samples of this task lie in files of pictures; draw something instead.");
    const { label, image } = await this.#pictures.next(bundled);
    return { task: task.id, answer: label, question: { image } };
  }

  /** The sample at a place; places past the end begin anew. */
  async text(task: Task, at: number): Promise<Sample> {
    const key = JSON.stringify(task.source);
    const reading = this.#rows.get(key) ?? this.lab.preview(task.source, ROWS);
    this.#rows.set(key, reading);
    reading.catch(() => this.#rows.delete(key));
    const { columns, rows, told } = await reading;
    // Strides: rows of one kind may lie side by side.
    const row = rows[(at * 37) % Math.max(1, rows.length)];
    if (!row) throw new Error("This task's samples have no rows.");
    const named = Object.fromEntries(Object.entries({ ...row, ...renamed(row, task.columns) }).map(([name, value]) => [name, told.labels?.[name]?.[Number(value)] ?? value]));
    const fill = (role: "prompt" | "pair" | "answer" | "choices") => {
      const template = task[role] ?? columnFor(role, columns);
      return typeof template === "string" ? shown(template, named) : JSON.stringify(template);
    };
    const pair = fill("pair");
    return { task: task.id, answer: chosen(fill("answer"), fill("choices")), question: { prompt: fill("prompt"), ...(pair === "" ? {} : { pair }) } };
  }
}

/** Of several choices the right one is told by its number. */
function chosen(answer: string, choices: string): string {
  try {
    const list: unknown = JSON.parse(choices);
    const one: unknown = Array.isArray(list) && /^\d+$/.test(answer) ? list[Number(answer)] : undefined;
    return typeof one === "string" ? one.trim() : answer;
  } catch {
    return answer; // no list
  }
}

/** What a task's templates call a column. */
function renamed(row: Readonly<Record<string, string>>, names: Task["columns"]): Record<string, string> {
  return Object.fromEntries(Object.entries(names ?? {}).map(([name, from]) => [name, row[from] ?? ""]));
}

/** Whether a classifier reads two texts. */
export const readsPairs = ({ pair }: Task): boolean => pair !== undefined && (onlyColumn(pair) !== null || pair !== "");
