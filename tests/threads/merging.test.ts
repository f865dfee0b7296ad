/** Every data-free method on the bundled family, in real workers: starts of a swarm, comparisons, tuning, a slider, facts beforehand, export. */
import { afterAll, describe, expect, it } from "vitest";
import { createLab, METHOD_NAMES, methodSpec, statisticsCsv, type RecipeInput } from "../../src/index.ts";

const experts = ["digits", "clothes", "kana"] as const;

/** Small on purpose: what is claimed here does not depend on how many samples there are. */
function tiny(overrides: Record<string, unknown> = {}): RecipeInput {
  return {
    murmuration: 1,
    base: { model: "zoo/glyphs/base" },
    experts: experts.map((id) => ({ id, model: `zoo/glyphs/${id}` })),
    tasks: ["digits", "kana"].map((id) => ({ id, head: id, source: `zoo/glyphs/${id}`, metric: "accuracy", optimise: 10, test: 10 })),
    fitness: { measure: "log_likelihood" },
    runs: [{ id: "pso", method: "pso_merging", steps: 1, start: ["base", { method: "linear" }, { method: "ties", density: 0.2 }, { method: "dare_ties", density: 0.5, weights: { kana: 0.5 } }] }],
    ...overrides,
  } as RecipeInput;
}

/** Many merges are scored, on a machine that may be busy. */
const slow = 150_000;

/** What each method is asked for here; two models where it takes no more. */
function compared(method: (typeof METHOD_NAMES)[number]) {
  const { models: { max: most }, whole, perModel } = methodSpec(method);
  return {
    id: `c_${method}`, method,
    ...(most === null ? {} : { models: experts.slice(0, most) }),
    ...("t" in whole ? { t: method === "nearswap" ? 0.001 : 0.4 } : {}),
    ...("density" in perModel && method !== "task_arithmetic" ? { density: 0.6 } : {}),
  };
}

const labs: ReturnType<typeof createLab>[] = [];
function lab(options: Parameters<typeof createLab>[0] = {}) {
  const made = createLab({ assets: "/", storage: `merging-${labs.length}`, ...options });
  labs.push(made);
  return made;
}
afterAll(async () => {
  for (const one of labs) await one.close();
});

describe("data-free merges of a family in ONNX", () => {
  const shared = lab();
  it("a swarm starts from them: a column a merge, which repeats bit for bit", async () => {
    const first = await shared.run(tiny());
    const [run] = first.runs;
    expect(run.basis).toEqual(["base", ...experts, "ties(0.2)", "dare_ties(0.5,weights={kana=0.5})"]);
    expect(run.trace.slice(0, 4).map(({ origin }) => origin)).toEqual(["base", "linear", "ties(0.2)", "dare_ties(0.5,weights={kana=0.5})"]);
    expect(run.trace[2].candidate).toEqual({ kind: "coefficients", values: [1, 0, 0, 0, 1, 0] });
    expect(run.trace.every(({ fitness }) => fitness !== null)).toBe(true);
    expect((await shared.run(tiny())).runs[0].digest).toBe(first.runs[0].digest);
  }, slow);

  it("a start scores what the same merge scores as a comparison, a run and a probe", async () => {
    const report = await shared.run(tiny({ runs: [{ id: "pso", method: "pso_merging", steps: 1, start: ["base", { method: "ties", density: 0.2 }] }, { id: "alone", method: "ties", density: 0.2 }], compare: [{ id: "beside", method: "ties", density: 0.2 }] }));
    const start = report.runs[0].trace[1];
    const alone = report.runs[1].trace[0];
    expect(alone.candidate).toMatchObject({ kind: "method", method: "ties", parameters: { density: 0.2, normalize: true, lambda: 1 } });
    for (const task of ["digits", "kana"]) expect(alone.tasks[task]).toBeCloseTo(start.tasks[task], 5); // base + (merged − base): one rounding apart
    expect(report.scores.beside.mean.test).toBe(report.scores.alone.mean.test);
    const probe = await shared.probe({ kind: "method", method: "ties", parameters: { density: 0.2 } }, 10);
    expect(probe.tasks).toEqual(alone.tasks);
    expect(report.formulas?.beside).toMatch(/^θ = θ₀ \+ Σ′\(top 20 % δ_digits/);
  }, slow);

  it("compare takes every method", async () => {
    const report = await shared.run(tiny({ runs: [], compare: METHOD_NAMES.map(compared), export: "c_ties" }));
    for (const method of METHOD_NAMES) {
      expect(report.scores[`c_${method}`]?.mean.test, method).toBeGreaterThan(0);
      expect(report.formulas?.[`c_${method}`], method).toMatch(/^θ = /);
    }
    const [lerp] = report.warnings.filter(({ code }) => code === "slerp-fell-back-to-lerp");
    expect(lerp.tensors).toBeGreaterThan(1);
    expect(lerp.message).toMatch(/^c_slerp: slerp of .* So it is in \d+ tensors/);
    expect(new Set(report.warnings.map(({ code, details }) => `${code} ${JSON.stringify(details)}`)).size).toBe(report.warnings.length);
    const files = await shared.export("c_ties");
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(["digits/onnx/model.onnx", "onnx/model.onnx"]));
  }, slow);

  it("one number is tuned, and the winner is that merge", async () => {
    const report = await shared.run(tiny({ runs: [], compare: [{ id: "tuned", method: "dare_ties", density: { tune: [0.2, 1], evaluations: 5 } }] }));
    const [run] = report.runs;
    expect(run.trace).toHaveLength(5);
    const best = run.best?.candidate;
    if (best?.kind !== "method") throw new Error("the winner is no merge");
    const probe = await shared.probe(best, 10);
    expect(probe.fitness).toBe(run.trace[run.best?.evaluation ?? -1].fitness);
    expect(report.formulas?.tuned).toContain(`random ${Number((100 * Number(best.parameters["density"])).toPrecision(6))} %`);
  });

  it("follows a slider: merges, says the formula and where the merge lies; drawings are answered by it", async () => {
    const prepared = await shared.prepare(tiny());
    const plane = prepared.plane!;
    const same = await shared.remerge({ method: "task_arithmetic", parameters: { lambda: 0.5 } });
    // Of a plain sum the Gram matrix knows everything already.
    const gram = (a: number, b: number) => plane.gram[a * plane.columns.length + b];
    const expected = [1, 2, 3].map((i) => 0.5 * (gram(1, i) + gram(2, i) + gram(3, i)));
    experts.forEach((id, i) => expect(same.inner[id] / expected[i]).toBeCloseTo(1, 4));
    expect(same.norm ** 2 / (0.5 * expected.reduce((sum, x) => sum + x))).toBeCloseTo(1, 4);
    const times: number[] = [];
    for (let i = 0; i < 8; i++) {
      const { formula, norm, ms } = await shared.remerge({ method: "ties", parameters: { density: 0.1 + 0.05 * i } });
      expect(formula).toContain(`top ${Number((10 + 5 * i).toPrecision(6))} %`);
      expect(norm).toBeGreaterThan(0);
      times.push(ms);
    }
    console.info(`a merge by ties while a slider moves: ${times.map((ms) => ms.toFixed(0)).join(", ")} ms (${prepared.modelBytes / 4} elements, ${experts.length} experts)`);
    const image = new Uint8Array(28 * 28);
    for (let y = 5; y < 24; y++) image.fill(255, y * 28 + 13, y * 28 + 16);
    const [answer] = await shared.predict(image, [{ candidate: { kind: "method", method: "linear", parameters: { weights: { digits: 1, clothes: 0, kana: 0 } } } }], "digits");
    const [own] = await shared.predict(image, [{ id: "digits" }], "digits");
    expect(answer.label).toBe(own.label);
    expect(answer.probability).toBeCloseTo(own.probability, 3);
  });

  it("refuses what makes no sense, and goes on", async () => {
    await shared.prepare(tiny());
    await expect(shared.remerge({ method: "tiess", parameters: {} })).rejects.toThrow(/did you mean ties/);
    await expect(shared.remerge({ method: "ties", parameters: { density: 2 } })).rejects.toThrow(/density must be a number from 0 to 1, not 2/);
    await expect(shared.probe({ kind: "method", method: "slerp", parameters: { t: 0.5 } }, 5)).rejects.toThrow(/slerp takes exactly 1/);
    expect((await shared.remerge({ method: "ties", parameters: {} })).norm).toBeGreaterThan(0);
  });

  it("says what experts have in common before they are merged, on the GPU as on the CPU", async () => {
    await shared.prepare(tiny());
    const statistics = await shared.statistics();
    expect(statistics.experts).toEqual([...experts]);
    expect(statistics.layers.map(({ layer }) => layer).filter((layer) => layer !== null)).toEqual([0, 1, 2, 3].slice(0, statistics.layers.filter(({ layer }) => layer !== null).length));
    expect(statistics.layers.reduce((sum, { elements }) => sum + elements, 0)).toBe(statistics.tensors.reduce((sum, { elements }) => sum + elements, 0));
    const squares = (rows: typeof statistics.layers) => rows.reduce((sum, { norm }) => sum + norm.kana ** 2, 0);
    expect(squares(statistics.layers) / squares(statistics.tensors)).toBeCloseTo(1, 9);
    expect(statistics.cosine.kana.kana).toBeCloseTo(1, 5);
    expect(statistics.cosine.kana.digits).toBe(statistics.cosine.digits.kana);
    for (const { signConflicts, zeros } of statistics.layers) {
      expect(signConflicts).toBeGreaterThan(0.3); // three directions in a space of thousands of dimensions
      expect(signConflicts).toBeLessThan(1);
      expect(zeros.digits).toBeLessThan(0.5);
    }
    const csv = statisticsCsv(statistics);
    expect(csv.split("\n")[0]).toBe("layer,name,elements,norm digits,norm clothes,norm kana,cosine digits clothes,cosine digits kana,cosine clothes kana,sign conflicts,zeros digits,zeros clothes,zeros kana");
    expect(csv.trim().split("\n")).toHaveLength(statistics.layers.length + 1);
    const plain = lab({ kernels: "cpu" });
    await plain.prepare(tiny());
    const twin = await plain.statistics();
    statistics.tensors.forEach((row, i) => {
      expect(row.signConflicts).toBe(twin.tensors[i].signConflicts);
      expect(row.zeros).toEqual(twin.tensors[i].zeros);
      for (const id of experts) expect(row.norm[id]).toBeCloseTo(twin.tensors[i].norm[id], 4);
    });
  });

  it("a derived column costs one model, a comparison none", async () => {
    const own = lab();
    const bytesOf = async (recipe: RecipeInput) => {
      const { modelBytes } = await own.prepare(recipe);
      return (await own.counts()).gpuBytes / modelBytes;
    };
    const swarm = (start: unknown[]) => ({ runs: [{ id: "pso", method: "pso_merging", steps: 1, start }] });
    const plain = await bytesOf(tiny(swarm(["base", "experts"])));
    expect((await bytesOf(tiny(swarm(["base", "experts", { method: "ties", density: 0.2 }])))) - plain).toBeCloseTo(1, 1);
    expect((await bytesOf(tiny({ ...swarm(["base", "experts"]), compare: [{ id: "a", method: "ties" }, { id: "b", method: "sce" }] }))) - plain).toBeCloseTo(0, 3);
  });
});
