/** The whole path, on the bundled family, in real workers: a recipe goes in, a report and a merged model come out. */
import { afterAll, describe, expect, it } from "vitest";
import { createLab, isLabError, type LabEvent, type RecipeInput } from "../../src/index.ts";

const experts = ["digits", "clothes"] as const;

/** Small on purpose: what is claimed here does not depend on how many samples there are. */
function tiny(overrides: Record<string, unknown> = {}, run: Record<string, unknown> = {}): RecipeInput {
  return {
    murmuration: 1,
    base: { model: "zoo/glyphs/base" },
    experts: experts.map((id) => ({ id, model: `zoo/glyphs/${id}` })),
    tasks: experts.map((id) => ({ id, head: id, source: `zoo/glyphs/${id}`, metric: "accuracy", optimise: 50, test: 50 })),
    fitness: { measure: "log_likelihood" },
    runs: [{ id: "pso", method: "pso_merging", steps: 2, ...run }],
    compare: [{ id: "average", method: "linear" }],
    ...overrides,
  } as RecipeInput;
}

/** A busy machine takes its time. */
const slow = { timeout: 40_000 };

const labs: ReturnType<typeof createLab>[] = [];
function lab(options: Parameters<typeof createLab>[0] = {}) {
  const made = createLab({ assets: "/", storage: `test-${labs.length}`, ...options });
  labs.push(made);
  return made;
}
afterAll(async () => {
  for (const one of labs) await one.close();
});

describe("a run", () => {
  const shared = lab();
  const events: LabEvent[] = [];

  it("ends with a report whose numbers hang together", async () => {
    const report = await shared.run(tiny(), { onEvent: (event) => events.push(event) });
    const [run] = report.runs;
    expect(run.trace).toHaveLength(5 * 3); // base + 2 experts + 2 sparsified, scored at the start and after each of two steps
    expect(run.basis).toEqual(["base", "digits", "clothes", "digits:dare(0.2)", "clothes:dare(0.2)"]);
    const best = Math.max(...run.trace.map(({ fitness }) => fitness ?? -Infinity));
    expect(run.trace[run.best?.evaluation ?? -1].fitness).toBe(best);
    expect(run.trace.filter(({ globalBest }) => globalBest).at(-1)?.fitness).toBe(best);
    for (const id of ["base", "digits", "clothes", "average", "pso"]) {
      const { digits, mean } = report.scores[id];
      expect(digits.n).toBe(50);
      expect(mean.test).toBeGreaterThan(0);
    }
    // The expert's own starting point and its own line say the same.
    expect(report.scores.digits.digits.test).toBeGreaterThan(report.scores.base.digits.test ?? 1);
    expect(report.cost.runtimeMs).toBeLessThan(report.cost.wallMs);
    expect(events.filter(({ type }) => type === "scored")).toHaveLength(15);
    expect(events.some(({ type }) => type === "winner")).toBe(true);
  });

  it("repeats bit for bit, and in the resident swarm finds the same bests", async () => {
    const first = await shared.run(tiny());
    const second = await shared.run(tiny());
    expect(second.runs[0].digest).toBe(first.runs[0].digest);
    const resident = await shared.run(tiny({}, { swarm: "resident" }));
    expect(resident.runs[0].best?.evaluation).toBe(first.runs[0].best?.evaluation);
    resident.runs[0].trace.forEach((row, i) => {
      const other = first.runs[0].trace[i];
      // Weights differ by float32 roundings of the update; log-likelihoods of 50 samples move far less than this.
      expect(row.fitness).toBeCloseTo(other.fitness ?? Number.NaN, 4);
      expect(row.globalBest).toBe(other.globalBest);
    });
  });

  it("goes on from a journal and ends as if it had never stopped", async () => {
    const whole = await shared.run(tiny());
    const seen: LabEvent[] = [];
    const rows = whole.runs[0].trace.slice(0, 7).map((row) => ({ ...row, run: "pso" }));
    const rest = await shared.run(tiny(), { journal: { rows }, onEvent: (event) => seen.push(event) });
    expect(rest.runs[0].digest).toBe(whole.runs[0].digest);
    expect(seen.filter((event) => event.type === "materialised")).toHaveLength(8);
  });

  it("verifies a shared run, and names what does not match", async () => {
    const whole = await shared.run(tiny());
    const rows = whole.runs[0].trace.map((row) => ({ ...row, run: "pso" }));
    const same = await shared.run(tiny(), { journal: { rows }, mode: "verify" });
    expect(same.verification).toEqual([]);
    const forged = rows.map((row) => (row.evaluation === 3 ? { ...row, tasks: { ...row.tasks, digits: 0.99 }, fitness: 0.99 } : row));
    const other = await shared.run(tiny(), { journal: { rows: forged }, mode: "verify" });
    expect(other.verification?.[0]).toMatchObject({ evaluation: 3, task: "digits", kind: "mismatch" });
  });

  it("leaves as many GPU buffers after many evaluations as after few", async () => {
    await shared.run(tiny());
    const few = await shared.counts();
    await shared.run(tiny({}, { steps: 12 }));
    const many = await shared.counts();
    expect(many.buffers).toBe(few.buffers);
    expect(many.inFlightPeak).toBe(1);
  });

  it("answers a drawing, probes a candidate and exports the winner", async () => {
    await shared.run(tiny());
    const image = new Uint8Array(28 * 28);
    for (let y = 5; y < 24; y++) image.fill(255, y * 28 + 13, y * 28 + 16);
    const answers = await shared.predict(image, [{ id: "base" }, { id: "digits" }, { id: "pso" }], "digits");
    expect(answers.map(({ id }) => id)).toEqual(["base", "digits", "pso"]);
    expect(answers[1].label).toBe("1");
    const probe = await shared.probe({ kind: "coefficients", values: [1, 0.5, 0.5, 0, 0] }, 20);
    expect(probe.fitness).not.toBeNull();
    const files = await shared.export("pso");
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(["digits/onnx/model.onnx", "digits/config.json", "onnx/model.onnx"]));
  });

  it("pauses, steps and stops", async () => {
    const seen: LabEvent["type"][] = [];
    const handle = shared.start(tiny({}, { steps: 50 }), { paused: true, onEvent: ({ type }) => seen.push(type) });
    await expect.poll(() => seen.includes("loaded"), slow).toBe(true);
    handle.step("particle");
    await expect.poll(() => seen.filter((type) => type === "scored").length, slow).toBe(1);
    handle.resume();
    await expect.poll(() => seen.filter((type) => type === "scored").length, slow).toBeGreaterThan(3);
    handle.stop();
    const report = await handle.done;
    expect(report.runs[0].trace.length).toBeLessThan(100);
    expect(report.scores.pso.mean.test).not.toBeNull();
  });

  it("cancels, and runs again", async () => {
    const seen: LabEvent["type"][] = [];
    const stop = new AbortController();
    const run = shared.run(tiny({}, { steps: 200 }), { signal: stop.signal, onEvent: ({ type }) => seen.push(type) });
    await expect.poll(() => seen.includes("scored"), slow).toBe(true);
    stop.abort();
    expect(isLabError(await run.catch((error: unknown) => error), "cancelled")).toBe(true);
    expect((await shared.run(tiny())).runs).toHaveLength(1);
  });
});

describe("without WebGPU", () => {
  it("the CPU twins give the same bests", async () => {
    const gpu = await lab().run(tiny());
    const cpu = await lab({ kernels: "cpu" }).run(tiny());
    expect(cpu.device.kernels).toBe("cpu");
    expect(cpu.runs[0].best?.evaluation).toBe(gpu.runs[0].best?.evaluation);
    expect(cpu.runs[0].trace.at(-1)?.fitness).toBeCloseTo(gpu.runs[0].trace.at(-1)?.fitness ?? Number.NaN, 4);
  });
});
