/**
 * A run as a story that can be told again: its recipe and its events with their times. The same form is kept in
 * IndexedDB for "the last run" and lies in `public/recorded/` for the first view.
 */
import { createStore, del, get, set, type UseStore } from "idb-keyval";
import type { Journal, LabEvent, Recipe, Report } from "../../index.ts";
import type { Grid } from "../plots/contour.ts";
import type { Extent } from "../plots/plane.ts";

export interface Recording {
  readonly recorded: 1;
  readonly recipe: Recipe;
  /** Milliseconds since the run began, and what it told then. */
  readonly events: readonly (readonly [number, LabEvent])[];
  readonly report: Report | null;
  readonly landscape: { readonly grid: Grid; readonly box: Extent } | null;
  /** ISO date; empty for a recording shipped with the site. */
  readonly savedAt: string;
}

/** What a replay does without: shown only while it happens, and most of the bytes. */
const PASSING: readonly LabEvent["type"][] = ["proposed", "materialised", "loading"];
const SAVE_EVERY_MS = 1500;
const KEY = "last-run";

export class Recorder {
  #events: [number, LabEvent][] = [];
  #report: Report | null = null;
  #landscape: Recording["landscape"] = null;
  readonly #began = performance.now();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly recipe: Recipe, readonly save: (recording: Recording) => void) {}

  add(event: LabEvent): void {
    if (PASSING.includes(event.type)) return;
    this.#events.push([Math.round(performance.now() - this.#began), event]);
    if (event.type === "scored") this.#timer ??= setTimeout(() => this.flush(), SAVE_EVERY_MS);
  }

  finish(report: Report): void {
    this.#report = report;
    this.flush();
  }

  landscape(grid: Grid, box: Extent): void {
    this.#landscape = { grid, box };
    this.flush();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.save(this.told());
  }

  told(): Recording {
    return { recorded: 1, recipe: this.recipe, events: [...this.#events], report: this.#report, landscape: this.#landscape, savedAt: new Date().toISOString() };
  }
}

/** A recorded run that lies beside the page; null where there is none to be read. */
export async function readRecording(address: string): Promise<Recording | null> {
  const answer = await fetch(address).catch(() => null);
  const story: unknown = answer?.ok ? await answer.json().catch(() => null) : null;
  return isRecording(story) ? story : null;
}

/** Rows a search can be told again, so that it goes on after them. */
export function journalOf(recording: Recording): Journal {
  return { rows: recording.events.flatMap(([, event]) => (event.type === "scored" ? [rowOf(event)] : [])) };
}

function rowOf(event: Extract<LabEvent, { type: "scored" }>): Journal["rows"][number] {
  const { run, evaluation, fitness, tasks, counts, diverged } = event;
  return { run, evaluation, fitness, tasks, ...(counts ? { counts } : {}), ...(diverged ? { diverged } : {}) };
}

/** Storage that is refused, absent or full loses the last run, nothing else. */
export class LastRun {
  constructor(readonly prefix: string) {}

  async read(): Promise<Recording | null> {
    const kept = await this.#try<unknown>((kept) => get(KEY, kept));
    return isRecording(kept) ? kept : null;
  }

  async write(recording: Recording): Promise<void> {
    await this.#try((kept) => set(KEY, recording, kept));
  }

  async forget(): Promise<void> {
    await this.#try((kept) => del(KEY, kept));
  }

  async #try<T>(work: (kept: UseStore) => Promise<T>): Promise<T | null> {
    try {
      // A database of the page's own, beside the lab's. Opening throws at once where there is no IndexedDB.
      return await work(createStore(`${this.prefix}-page`, "kept"));
    } catch {
      return null;
    }
  }
}

export function isRecording(value: unknown): value is Recording {
  if (typeof value !== "object" || value === null) return false;
  const { recorded, recipe, events } = value as Partial<Recording>;
  return recorded === 1 && typeof recipe === "object" && recipe !== null && Array.isArray(events) && events.every((e) => Array.isArray(e) && typeof e[0] === "number" && typeof (e[1] as LabEvent | undefined)?.type === "string");
}
