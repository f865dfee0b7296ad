/** A base with a graph, an expert that exists only as safetensors and an adapter, from a Hub through real workers to a merged model. */
import { afterAll, expect, inject, test } from "vitest";
import { createLab, type RecipeInput } from "../../src/index.ts";

const { url, viewer } = inject("hub");
const lab = createLab({ assets: "/", storage: "borrow", hub: url, viewer });
afterAll(() => lab.close());

const recipe = (base: string, kana: string, more: Record<string, unknown> = {}): RecipeInput =>
  ({
    murmuration: 1,
    base: { model: base },
    experts: [{ id: "kana", model: kana }, ...(more.experts as object[] ?? [])],
    tasks: [{ id: "kana", head: "kana", source: "zoo/glyphs/kana", metric: "accuracy", optimise: 20, test: 40 }],
    fitness: { measure: "log_likelihood" },
    runs: more.runs ?? [],
    compare: [{ id: "half", method: "linear" }],
  }) as RecipeInput;

test("an expert without a graph scores as its own export does, and its name is the checkpoint's", async () => {
  const [borrowed, direct] = [await lab.run(recipe("glyphs/base", "glyphs/kana")), await lab.run(recipe("zoo/glyphs/base", "zoo/glyphs/kana"))];
  expect(borrowed.scores.kana).toEqual(direct.scores.kana);
  expect(borrowed.scores.half).toEqual(direct.scores.half);
  expect(borrowed.scores.kana.kana.test).toBeGreaterThan(0.6); // chance is 1 in 46
}, 120_000);

test("a swarm over a dense expert and an adapter kept as factors; export", async () => {
  const order = recipe("glyphs/base", "glyphs/kana", { experts: [{ id: "tuned", model: "glyphs/base+glyphs/lora" }], runs: [{ id: "pso", method: "pso_merging", steps: 1 }] });
  const report = await lab.run(order);
  const [run] = report.runs;
  expect(run.basis).toEqual(["base", "kana", "tuned", "kana:dare(0.2)", "tuned:dare(0.2)"]);
  expect(run.trace.every(({ fitness }) => fitness !== null)).toBe(true);
  expect(run.trace.some(({ candidate }) => candidate.kind === "coefficients" && (candidate.values[2] ?? 0) !== 0)).toBe(true);
  expect((await lab.run(order)).runs[0].digest).toBe(run.digest);
  const { tensors: segments } = await lab.statistics();
  expect(segments.length).toBeGreaterThan(60);
  expect((await lab.export("pso")).map(({ path }) => path)).toContain("kana/onnx/model.onnx");
  const files = await lab.export("pso", true);
  expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(["kana/onnx/model.onnx", "kana/model.safetensors", "kana/config.json"]));
  expect(files.find(({ path }) => path === "kana/model.safetensors")?.bytes.length).toBeGreaterThan(1e6);
}, 120_000);

test("folders merged into safetensors, the adapter's among them, score in the base's graph as the merge of graphs does", async () => {
  const tuned = { id: "tuned", model: "glyphs/base+glyphs/lora" };
  const ties = { method: "ties", density: 0.4, models: ["tuned"], rescaling: "l1", scope: "tensor" };
  const { files } = await lab.mergeFolders({ murmuration: 1, base: { model: "glyphs/base" }, experts: [tuned], tasks: [], runs: [{ id: "merged", ...ties }], out_dtype: "float32" } as unknown as RecipeInput);
  await lab.mount("./merged", files.map(({ path, bytes, blob }) => ({ path, bytes, ...(blob ? { blob } : {}) })));
  const order = recipe("glyphs/base", "glyphs/kana", { experts: [tuned, { id: "merged", model: "./merged" }] }) as unknown as Record<string, unknown>;
  const { scores } = await lab.run({ ...order, compare: [{ id: "graphs", ...ties }], out_dtype: "float32" } as unknown as RecipeInput);
  expect(scores.merged).toEqual(scores.graphs);
  expect(scores.merged).not.toEqual(scores.tuned);
}, 120_000);
