/** What base, experts, average and merge say to one drawing or text: one question at a time, the newest wins. */
import { LabError, type Answer, type Candidate, type Lab, type Which } from "../../index.ts";
import { averageRow, rowOf } from "../plots/plane.ts";

export interface Asked {
  readonly id: string;
  readonly which: Which;
}

export type Question =
  /** `28 × 28` grey. */
  | { readonly image: Uint8Array }
  | { readonly prompt: string; readonly pair?: string };

interface Around {
  readonly experts: readonly string[];
  /** What coefficients are over. */
  readonly columns: readonly string[];
  readonly best: Candidate | null;
  /** The merge that was tested; null: none yet. */
  readonly exported: string | null;
  readonly formula: Candidate | null;
}

/** Everyone who answers; what people look at first is asked first. */
export function everyone({ experts, columns, best, exported, formula }: Around): readonly Asked[] {
  const asked: Asked[] = formula ? [{ id: "formula", which: { candidate: formula } }] : [];
  if (exported !== null) asked.push({ id: "merge", which: { id: exported } });
  else if (best && rowOf(best)?.length === columns.length) asked.push({ id: "merge", which: { candidate: best } });
  asked.push({ id: "average", which: { candidate: { kind: "coefficients", values: averageRow(columns, experts) } } });
  return [...asked, ...["base", ...experts].map((id) => ({ id, which: { id } }))];
}

type Asks = Pick<Lab, "predict" | "ask">;

export class TryIt {
  question = $state.raw<Question | null>(null);
  /** By the id that was asked. */
  answers = $state.raw<Readonly<Record<string, Answer>>>({});
  task = $state<string | null>(null);
  busy = $state(false);
  problem = $state<string | null>(null);
  #waiting: (() => Promise<void>) | null = null;

  image = $derived(this.question && "image" in this.question ? this.question.image : null);

  /** `ready` loads the models first when nobody has yet. */
  ask(question: Question | null, lab: Asks, ready: () => Promise<readonly Asked[]>): void {
    this.question = question;
    if (question === null) {
      this.#waiting = null;
      this.answers = {};
      return;
    }
    const task = this.task;
    this.#waiting = async () => {
      // One model a question: answers appear as they come, and a newer question need not wait for all of them.
      for (const { id, which } of await ready()) {
        if (this.#waiting !== null || this.question === null) return;
        const [answer] = "image" in question ? await lab.predict(question.image, [which], task) : await lab.ask(question, [which], task);
        if (answer && this.question !== null) this.answers = { ...this.answers, [id]: answer };
      }
    };
    if (!this.busy) void this.#work();
  }

  /** The same question to weights that changed. */
  again(lab: Asks, ready: () => Promise<readonly Asked[]>): void {
    if (this.question) this.ask(this.question, lab, ready);
  }

  /** Other models: nothing of what was asked holds. */
  forget(task: string | null): void {
    this.#waiting = null;
    this.question = null;
    this.answers = {};
    this.problem = null;
    this.task = task;
  }

  async #work(): Promise<void> {
    this.busy = true;
    for (let next = this.#take(); next; next = this.#take()) {
      try {
        await next();
        this.problem = null;
      } catch (problem) {
        const refused = problem instanceof LabError && problem.code === "cancelled";
        this.problem = refused ? null : problem instanceof Error ? problem.message : String(problem);
      }
    }
    this.busy = false;
  }

  #take(): (() => Promise<void>) | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }
}
