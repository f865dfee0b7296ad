/** The status line in words: what happens now, how far it is, and what runs where. Pure, so every state is tested. */
import type { DeviceInfo } from "../index.ts";
import { bytes, score, seconds } from "./format.ts";
import type { Arrivals } from "./state/arrivals.svelte.ts";
import type { SwarmRun } from "./state/swarmRun.svelte.ts";
import { s } from "./strings.ts";

export interface StatusText {
  readonly now: string;
  /** 0–1, or null when there is nothing to measure. */
  readonly share: number | null;
  readonly aside: string;
  /** For screen readers: changes once a step, not once an evaluation. */
  readonly spoken: string;
}

export function statusText(run: SwarmRun, landscape: number | null = null): StatusText {
  const best = run.best?.fitness ?? null;
  const bestText = best === null ? "" : s.status.best(score(best));
  const left = run.progress?.secondsLeft ?? null;
  const aside = [bestText, left === null ? "" : s.status.left(seconds(left))].filter(Boolean).join(" · ");
  const share = run.progress && run.progress.total > 0 ? run.progress.done / run.progress.total : null;
  switch (run.status) {
    case "idle":
      return { now: s.status.ready, share: null, aside: "", spoken: s.status.ready };
    case "loading":
      return loading(run.arrivals);
    case "failed":
      return { now: s.status.failed, share: null, aside: bestText, spoken: s.status.failed };
    case "done":
      if (landscape !== null) return { now: s.status.landscape(`${Math.round(landscape * 100)} %`), share: landscape, aside: bestText, spoken: s.status.done };
      return { now: s.status.done, share: null, aside: bestText, spoken: s.status.done };
    case "paused":
    case "running": {
      const where = position(run);
      const now = run.status === "paused" ? `${s.status.paused} · ${where.text}` : where.text;
      return { now, share, aside, spoken: run.status === "paused" ? s.status.paused : where.spoken };
    }
  }
}

/** Of a run's files, or of those loaded before one. */
export function loading({ stage, files, allCached, loaded, total }: Arrivals): StatusText {
  const plain = (now: string) => ({ now, share: null, aside: "", spoken: now });
  if (stage === "compile") return plain(s.status.compile);
  if (stage === "warm-up") return plain(s.status.warmUp);
  if (files.length === 0) return plain(s.status.starting);
  if (allCached) return plain(s.status.fromCache);
  return { now: s.status.loading(bytes(loaded), bytes(total)), share: total > 0 ? loaded / total : null, aside: "", spoken: s.status.loading("", "").split(":")[0] ?? "" };
}

function position(run: SwarmRun): { text: string; spoken: string } {
  if (run.phase === "compare") return { text: s.status.compare, spoken: s.status.compare };
  if (run.phase === "test") return { text: s.status.test, spoken: s.status.test };
  const now = run.proposed ?? run.allRows.at(-1) ?? null;
  const other = now && now.run !== run.shown ? run.plan.find((p) => p.run === now.run) : undefined;
  if (now && other) {
    const text = s.status.other(now.run.replaceAll(/[-_]/g, " "), now.evaluation + 1, other.evaluations);
    return { text, spoken: s.status.other(now.run, 1, other.evaluations) };
  }
  const at = run.proposed?.run === run.shown ? run.proposed : (run.rows.at(-1) ?? null);
  if (!at || !run.planned) return { text: s.status.warmUp, spoken: s.status.warmUp };
  const { steps, particles } = run.planned;
  const particle = at.particle + 1;
  const text = at.step === 0 ? s.status.starts(particle, particles) : s.status.stepOf(at.step, steps, particle, particles);
  const best = run.best?.fitness;
  return { text, spoken: s.status.spoken(at.step, steps, best === null || best === undefined ? "–" : score(best)) };
}

export function whereText(device: DeviceInfo | null): string {
  if (!device) return "";
  const kernels = device.kernels === "webgpu" ? `WebGPU (${device.isFallback ? s.status.software : device.adapter})` : s.status.noGpu;
  const runtime = device.runtime === "wasm" ? `WASM, ${s.status.threads(device.threads)}` : "WebGPU";
  return device.kernels === "webgpu" ? s.status.where(kernels, runtime) : `${kernels} · ${runtime}`;
}
