/** Files on their way into this browser, and what each is doing: drawn from `loading` events, of a run or before one. */
import type { LabEvent } from "../../index.ts";

export interface Loading {
  readonly file: string;
  readonly state: Extract<LabEvent, { type: "loading" }>["state"];
  readonly loaded: number;
  readonly total: number;
}

export class Arrivals {
  files = $state.raw<readonly Loading[]>([]);
  /** Of the runtime: neither is a file. */
  stage = $state<"compile" | "warm-up" | null>(null);

  loaded = $derived(this.files.reduce((sum, { loaded }) => sum + loaded, 0));
  total = $derived(this.files.reduce((sum, { total }) => sum + total, 0));
  allCached = $derived(this.files.every(({ state }) => state === "cached"));
  /** Still on the network. */
  underway = $derived(this.files.filter(({ state }) => state === "download").length);

  apply = (event: LabEvent): void => {
    if (event.type === "phase") this.stage = event.phase === "compile" ? "compile" : null;
    if (event.type !== "loading") return;
    const { file, state, loaded, total } = event;
    if (state === "compile" || state === "warm-up") {
      this.stage = state;
      return;
    }
    this.stage = null;
    const at = this.files.findIndex((one) => one.file === file);
    this.files = at < 0 ? [...this.files, { file, state, loaded, total }] : this.files.with(at, { file, state, loaded, total });
  };

  clear(): void {
    this.files = [];
    this.stage = null;
  }
}
