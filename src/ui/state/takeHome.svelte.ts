/** A merged model on its way out of the page: which forms of it, its files, and a repository of the Hub that takes them. */
import { isLabError, type ExportedFile, type Lab, type Pushed, type Report } from "../../index.ts";

export type Taken = Pick<ExportedFile, "path" | "bytes">;

interface Asked {
  readonly lab: Pick<Lab, "export" | "predictions">;
  readonly id: string;
  readonly report: Report | null;
}

export class TakeHome {
  onnx = $state(true);
  safetensors = $state(false);
  files = $state.raw<readonly Taken[] | null>(null);
  packing = $state(false);
  problem = $state<string | null>(null);
  pushing = $state.raw<Readonly<Record<string, { readonly state: "hashing" | "uploading"; readonly share: number }>> | null>(null);
  pushed = $state.raw<Pushed | null>(null);
  pushProblem = $state<string | null>(null);
  bytes = $derived(this.files?.reduce((sum, file) => sum + file.bytes.length, 0) ?? 0);
  #turn = 0;

  forget(): void {
    this.#turn++;
    this.files = null;
    this.packing = false;
    this.problem = null;
    this.pushed = null;
    this.pushProblem = null;
  }

  async pack({ lab, id, report }: Asked): Promise<void> {
    this.forget();
    const turn = this.#turn;
    this.packing = true;
    try {
      const written = await lab.export(id, this.safetensors);
      const files = beside(written.filter(({ path }) => this.onnx || !/(^|\/)onnx\//.test(path)), report, await lab.predictions());
      if (turn === this.#turn) this.files = files;
    } catch (problem) {
      if (turn === this.#turn) this.problem = messageOf(problem);
    } finally {
      if (turn === this.#turn) this.packing = false;
    }
  }

  async push(lab: Pick<Lab, "push">, to: { repo: string; token: string; private: boolean }): Promise<void> {
    if (!this.files || this.pushing) return;
    this.pushed = null;
    this.pushProblem = null;
    this.pushing = {};
    try {
      this.pushed = await lab.push(this.files, to, ({ file, state, share }) => (this.pushing = { ...this.pushing, [file]: { state, share } }));
    } catch (problem) {
      if (!isLabError(problem, "cancelled")) this.pushProblem = messageOf(problem);
    } finally {
      this.pushing = null;
    }
  }
}

/** The model as the lab wrote it, and beside it what is known about it. */
function beside(written: readonly Taken[], report: Report | null, predictions: string): Taken[] {
  const known: [string, string][] = report
    ? [["report.json", JSON.stringify(report, null, 2)], ["recipe.json", JSON.stringify(report.recipe, null, 2)], ["predictions.jsonl", predictions]]
    : [];
  const more = known.filter(([path, text]) => text !== "" && !written.some((file) => file.path === path));
  return [...written, ...more.map(([path, text]) => ({ path, bytes: new TextEncoder().encode(`${text.trimEnd()}\n`) }))];
}

const messageOf = (problem: unknown): string => (problem instanceof Error ? problem.message : String(problem));
