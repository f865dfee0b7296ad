/** Plays a recording into a SwarmRun, at a speed; waits in the story are shortened so that nothing is ever still for long. */
import type { Recording } from "./recording.ts";
import { SwarmRun } from "./swarmRun.svelte.ts";

const LONGEST_WAIT_MS = 220;
/** Told at once: what comes before the first score is no story. */
const SETTING = ["loaded", "phase", "baseline", "progress", "resumed", "paused"];

export class Player {
  playing = $state(false);
  speed = $state(1);
  at = $state(0);
  run = $state.raw(new SwarmRun());
  ended = $derived.by(() => this.at >= this.recording.events.length);
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly recording: Recording) {}

  play(): void {
    if (this.ended) this.rewind();
    this.playing = true;
    this.#next();
  }

  pause(): void {
    this.playing = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  rewind(): void {
    this.pause();
    this.at = 0;
    this.run = new SwarmRun();
  }

  /** All of it, at once: the last run, or for eyes that want no motion. */
  toEnd(): void {
    this.pause();
    while (!this.ended) this.#tell();
  }

  #tell(): void {
    const entry = this.recording.events[this.at++];
    if (entry && entry[1].type !== "paused" && entry[1].type !== "resumed") this.run.apply(entry[1]);
    if (!this.ended) return;
    if (this.recording.report) this.run.finish(this.recording.report);
    this.playing = false;
  }

  #next(): void {
    if (!this.playing) return;
    const before = this.recording.events[this.at - 1]?.[0] ?? 0;
    const entry = this.recording.events[this.at];
    if (!entry) return this.pause();
    const wait = SETTING.includes(entry[1].type) ? 0 : Math.min(LONGEST_WAIT_MS, Math.max(0, entry[0] - before)) / this.speed;
    this.#timer = setTimeout(() => {
      this.#tell();
      this.#next();
    }, wait);
  }
}
