/** Graphs and checkpoints of one model, told together by their numbers. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { addLowRank, type LowRank } from "../../src/checkpoint/lora/factors.ts";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import type { NamesMap, OnnxSkeleton, OnnxWeight } from "../../src/checkpoint/types.ts";
import { bf16FromF32, f32FromBf16 } from "../../src/lib/bf16.ts";
import { isLabError, type LabError } from "../../src/lib/error.ts";
import { f16FromF32, f32FromF16 } from "../../src/lib/f16.ts";
import { alignByValue, type CheckpointValues, type GraphValues } from "../../src/space/align/byValue.ts";
import { carriedFactors, carryOver } from "../../src/space/align/carry.ts";
import { mapOf, namesOf } from "../../src/space/align/weightMap.ts";
import { transpose } from "../../src/space/transpose.ts";
import { gaussian, largestDifference } from "../kernels/sample.ts";

type Tensor = { shape: number[]; values: Float32Array };
const checkpoint = (tensors: Record<string, Tensor & { dtype?: string }>): CheckpointValues => ({
  tensors: Object.entries(tensors).map(([name, { shape, values, dtype = "F32" }]) => ({ name, shape, elements: values.length, dtype })),
  readF32: async (name, from, to) => tensors[name]!.values.slice(from, to),
});
type Weight = { name: string; shape: number[]; values: Float32Array; dtype?: OnnxWeight["dtype"] };
function graphOf(list: readonly Weight[]): GraphValues & { skeleton: OnnxSkeleton } {
  const weights = list.map(({ name, shape, values, dtype = "float32" }, id): OnnxWeight => ({ id, name, shape, dtype, length: values.length }));
  return { weights, skeleton: { bytes: new Uint8Array(0), weights, roles: ["model"] }, read: async (id) => list[id]!.values.slice() };
}
const t = (shape: [number, number], seed: number): Tensor => ({ shape, values: gaussian(shape[0] * shape[1], seed) });
const v = (length: number, seed: number): Tensor => ({ shape: [length], values: gaussian(length, seed) });
const turned = ({ shape, values }: Tensor): Pick<Weight, "shape" | "values"> => ({ shape: [...shape].reverse(), values: transpose(values, shape[0]!, shape[1]!) });

async function refusal(promise: Promise<unknown>): Promise<LabError> {
  const error = await promise.then(() => null, (thrown: unknown) => thrown);
  if (isLabError(error)) return error;
  throw new Error(`was not refused with a sentence: ${String(error)}`);
}

describe("the glyphs, as ONNX and as safetensors", () => {
  const zoo = new URL("../../public/zoo/glyphs/", import.meta.url);
  const names = JSON.parse(readFileSync(new URL("names.json", zoo), "utf8")) as NamesMap;
  const load = (id: string) => readOnnx(new Uint8Array(readFileSync(new URL(`${id}/onnx/model.onnx`, zoo))), { name: id });
  const graph = (file: ReturnType<typeof load>): GraphValues & { skeleton: OnnxSkeleton } => ({ weights: file.skeleton.weights, skeleton: file.skeleton, read: async (id) => file.tensor(id) });
  /** As the family's checkpoint has them, renamed if need be. */
  function tensorsOf(file: ReturnType<typeof load>, rename = (name: string) => name): Record<string, Tensor> {
    return Object.fromEntries(file.skeleton.weights.flatMap(({ id, name, shape }) => {
      const told = names.tensors[name];
      if (!told) return [];
      const values = file.tensor(id);
      return [[rename(told.name), { shape: told.transposed ? [...shape].reverse() : [...shape], values: told.transposed ? transpose(values, shape[0]!, shape[1]!) : values }]];
    }));
  }

  test("are matched as names.json says, without it", async () => {
    const base = load("base");
    const map = await alignByValue(graph(base), checkpoint(tensorsOf(base)));
    expect(map.unmapped).toEqual([]);
    expect(map.unused).toEqual([]);
    expect(namesOf(map, base.skeleton.weights, (name) => Object.values(names.tensors).find((one) => one.name === name)?.shape)).toEqual(names);
    expect(Object.keys(names.tensors).length).toBeGreaterThan(60);
  });

  test("in halves against floats, and floats against bfloat16, give the same map", async () => {
    const base = load("base");
    const map = await alignByValue(graph(base), checkpoint(tensorsOf(base)));
    // As converters do it: the smallest numbers lifted to 1e-7.
    const half = (x: number) => f32FromF16(f16FromF32(x !== 0 && Math.abs(x) < 1e-7 ? Math.sign(x) * 1e-7 : x));
    const halves: GraphValues = { weights: base.skeleton.weights.map((weight) => ({ ...weight, dtype: "float16" })), read: async (id) => base.tensor(id).map(half) };
    expect(await alignByValue(halves, checkpoint(tensorsOf(base)))).toEqual(map);
    const brains = Object.fromEntries(Object.entries(tensorsOf(base)).map(([name, one]) => [name, { ...one, values: one.values.map((x) => f32FromBf16(bf16FromF32(x))), dtype: "BF16" }]));
    expect((await alignByValue(graph(base), checkpoint(brains))).weights).toEqual(map.weights);
  });

  test("an expert that exists only as safetensors gets its own weights, head and all, whatever word its names begin with", async () => {
    const [base, expert] = [load("base"), load("kana")];
    const map = await alignByValue(graph(base), checkpoint(tensorsOf(base)));
    for (const rename of [(name: string) => name, (name: string) => `model.${name}`]) {
      const carried = await carryOver({ base: "glyphs/base", model: "glyphs/kana", graph: graph(base), map, from: checkpoint(tensorsOf(base)), to: checkpoint(tensorsOf(expert, rename)) });
      expect(carried.notes).toEqual([]);
      const shapes = new Set<string>();
      for (const { id, name, shape } of carried.skeleton.weights) {
        const own = expert.skeleton.weights.find((weight) => weight.name === name)!;
        expect([name, shape]).toEqual([name, own.shape]);
        expect(largestDifference(await carried.read(id), expert.tensor(own.id)), name).toBe(0);
        if (own.shape.join() !== base.skeleton.weights[id]!.shape.join()) shapes.add(name);
      }
      expect([...shapes]).toContain("classifier.bias"); // the head has as many classes as kana
    }
  });

  test("a map told by names carries over too", async () => {
    const [base, expert] = [load("base"), load("digits")];
    const carried = await carryOver({ base: "base", model: "digits", graph: graph(base), map: mapOf(names, base.skeleton.weights), from: null, to: checkpoint(tensorsOf(expert)) });
    for (const { id, name } of carried.skeleton.weights) {
      expect(largestDifference(await carried.read(id), expert.tensor(expert.skeleton.weights.find((weight) => weight.name === name)!.id)), name).toBe(0);
    }
  });
});

describe("weights that are not one tensor each", () => {
  const [q, k, value, out] = [t([6, 8], 1), t([6, 8], 2), t([4, 8], 3), t([8, 6], 4)] as const;
  const [bq, bk, bv] = [v(6, 5), v(6, 6), v(4, 7)] as const;
  const fusedDown = (...parts: Tensor[]) => Float32Array.from(parts.flatMap(({ values }) => [...values]));
  const tensors = { "q.weight": q, "k.weight": k, "v.weight": value, "out.weight": out, "q.bias": bq, "k.bias": bk, "v.bias": bv };
  // [8 × 16]: qᵀ | kᵀ | vᵀ, as a MatMul takes it.
  const wide = { name: "onnx::MatMul_7", ...turned({ shape: [16, 8], values: fusedDown(q, k, value) }) };
  const tall = { name: "qkv", shape: [16, 8], values: fusedDown(q, k, value) };
  const bias = { name: "qkv_bias", shape: [16], values: fusedDown(bq, bk, bv) };
  const parts = (names: string[], transposed: boolean) => names.map((name) => ({ name, transposed, lines: null, alike: [] }));

  test.for([["side by side", wide, true, 1], ["on top of each other", tall, false, 0]] as const)("fused q, k and v, %s", async ([, weight, transposed, axis]) => {
    const graph = graphOf([weight, bias, { name: "o", ...turned(out) }]);
    const map = await alignByValue(graph, checkpoint(tensors));
    expect(map.weights[0]).toEqual({ parts: parts(["q.weight", "k.weight", "v.weight"], transposed), axis });
    expect(map.weights[1]).toEqual({ parts: parts(["q.bias", "k.bias", "v.bias"], false), axis: 0 });
    expect(map.weights[2]).toEqual({ parts: parts(["out.weight"], true), axis: 0 });
    expect([map.unmapped, map.unused]).toEqual([[], []]);
    const expert = Object.fromEntries(Object.entries(tensors).map(([name, one], i) => [name, { ...one, values: gaussian(one.values.length, 50 + i) }])) as typeof tensors;
    const carried = await carryOver({ base: "base", model: "expert", graph, map, from: checkpoint(tensors), to: checkpoint(expert) });
    const stacked = fusedDown(expert["q.weight"], expert["k.weight"], expert["v.weight"]);
    expect(await carried.read(0)).toEqual(transposed ? transpose(stacked, 16, 8) : stacked);
    expect(await carried.read(1)).toEqual(fusedDown(expert["q.bias"], expert["k.bias"], expert["v.bias"]));
    const other = { ...expert, "k.weight": t([7, 8], 9) };
    expect((await refusal(carryOver({ base: "base", model: "expert", graph, map, from: checkpoint(tensors), to: checkpoint(other) }))).message).toContain("do not fit the graph of base");
  });

  test("a fused tensor taken apart in the graph", async () => {
    const fused = { "c_attn.weight": t([8, 18], 11), "c_attn.bias": v(18, 12) };
    const lines = (first: number) => Float32Array.from({ length: 48 }, (_, i) => fused["c_attn.weight"].values[Math.floor(i / 6) * 18 + first + (i % 6)]!);
    const graph = graphOf([
      { name: "q", shape: [8, 6], values: lines(0) }, { name: "k", shape: [6, 8], values: transpose(lines(6), 8, 6) }, { name: "v", shape: [8, 6], values: lines(12) },
      { name: "bk", shape: [6], values: fused["c_attn.bias"].values.slice(6, 12) },
    ]);
    const map = await alignByValue(graph, checkpoint(fused));
    expect(map.weights.map((mapped) => mapped && [mapped.axis, mapped.parts[0]!.lines, mapped.parts[0]!.transposed])).toEqual([[1, [0, 6], false], [0, [6, 12], true], [1, [12, 18], false], [0, [6, 12], false]]);
    const expert = { "c_attn.weight": t([8, 18], 21), "c_attn.bias": v(18, 22) };
    const carried = await carryOver({ base: "b", model: "e", graph, map, from: checkpoint(fused), to: checkpoint(expert) });
    expect([...(await carried.read(1))]).toEqual(Array.from({ length: 48 }, (_, i) => expert["c_attn.weight"].values[(i % 8) * 18 + 6 + Math.floor(i / 8)]));
    expect(await carried.read(3)).toEqual(expert["c_attn.bias"].values.slice(6, 12));
  });

  test("an adapter's factors follow the map: transposed, fused with zeros for what it leaves alone, cut", async () => {
    const low = (rows: number, columns: number, rank: number, seed: number): LowRank => ({ rows, columns, rank, scale: seed / 2, left: gaussian(rows * rank, seed), right: gaussian(rank * columns, seed + 1) });
    const factors: Record<string, LowRank> = { "q.weight": low(6, 8, 2, 31), "v.weight": low(4, 8, 3, 33), "out.weight": low(8, 6, 1, 35) };
    const dense = (name: string, { shape }: Tensor): Tensor => {
      const values = new Float32Array(shape[0]! * (shape[1] ?? 1));
      if (factors[name]) addLowRank(values, factors[name], 0);
      return { shape, values };
    };
    const adapted = { shape: (name: string) => tensors[name as keyof typeof tensors].shape, lowRank: async (name: string) => factors[name] ?? ("none" as const) };
    const graph = graphOf([wide, bias, { name: "o", ...turned(out) }, tall]);
    const tallMap = (await alignByValue(graphOf([tall]), checkpoint(tensors))).weights[0]!;
    const map = [...(await alignByValue(graph, checkpoint(tensors))).weights.slice(0, 3), tallMap];
    const stacked = fusedDown(dense("q.weight", q), dense("k.weight", k), dense("v.weight", value));
    const wanted = [transpose(stacked, 16, 8), new Float32Array(16), transpose(dense("out.weight", out).values, 8, 6), stacked];
    for (const [id, mapped] of map.entries()) {
      const got = await carriedFactors(graph.weights[id]!, mapped, adapted);
      const values = new Float32Array(graph.weights[id]!.length);
      addLowRank(values, got!, 0);
      // Scales are folded into the factors where several stand together: one more rounding of numbers below 100.
      values.forEach((x, i) => expect(Math.abs(x - wanted[id]![i]!)).toBeLessThan(100 * 8 * 2 ** -24));
      expect([got!.rank, got!.rows * got!.columns]).toEqual([[5, 128], [0, 16], [1, 48], [5, 128]][id]);
    }
    expect(await carriedFactors(graph.weights[0]!, map[0]!, { ...adapted, lowRank: async () => null })).toBeNull();
    const half = await carriedFactors({ shape: [6, 3], length: 18 }, { parts: [{ name: "q.weight", transposed: false, lines: [2, 5], alike: [] }], axis: 1 }, adapted);
    const [part, whole] = [new Float32Array(18), dense("q.weight", q).values];
    addLowRank(part, half!, 0);
    part.forEach((x, i) => expect(x).toBe(whole[Math.floor(i / 3) * 8 + 2 + (i % 3)]));
  });
});

describe("equal tensors", () => {
  const embed = t([10, 4], 1);
  const tied = { "embed_tokens.weight": embed, "lm_head.weight": embed, "norm.weight": v(4, 2) };
  const shared = graphOf([{ name: "embed_tokens.weight", ...embed }, { name: "norm.weight", ...tied["norm.weight"] }]);

  test("a tied embedding, kept once in the graph: carried over where the expert ties it too, refused where not", async () => {
    const map = await alignByValue(shared, checkpoint(tied));
    expect(map.weights[0]?.parts).toEqual([{ name: "embed_tokens.weight", transposed: false, lines: null, alike: ["lm_head.weight"] }]);
    expect(map.unused).toEqual([]);
    const trained = t([10, 4], 9);
    const carried = await carryOver({ base: "b", model: "e", graph: shared, map, from: checkpoint(tied), to: checkpoint({ ...tied, "embed_tokens.weight": trained, "lm_head.weight": trained }) });
    expect(await carried.read(0)).toEqual(trained.values);
    // Files that keep the table only are tied as well.
    const once = await carryOver({ base: "b", model: "e", graph: shared, map, from: checkpoint(tied), to: checkpoint({ "embed_tokens.weight": trained, "norm.weight": tied["norm.weight"] }) });
    expect(await once.read(0)).toEqual(trained.values);
    const apart = await refusal(carryOver({ base: "b", model: "e", graph: shared, map, from: checkpoint(tied), to: checkpoint({ ...tied, "embed_tokens.weight": trained }) }));
    expect(apart.message).toMatch(/embed_tokens\.weight and lm_head\.weight are equal in the base.*differ in e/);
  });

  test("two copies in the graph of a table that the file has once, one of them turned", async () => {
    const twice = graphOf([{ name: "shared.weight", ...embed }, { name: "onnx::MatMul_3", ...turned(embed) }]);
    const map = await alignByValue(twice, checkpoint({ "shared.weight": embed }));
    expect(map.weights.map((mapped) => mapped?.parts[0])).toEqual([{ name: "shared.weight", transposed: false, lines: null, alike: [] }, { name: "shared.weight", transposed: true, lines: null, alike: [] }]);
  });

  test("norms of ones are told apart by their names; without names any may be meant, and experts are looked at", async () => {
    const ones = { shape: [4], values: new Float32Array(4).fill(1) };
    const base = { "l.0.norm.weight": ones, "l.1.norm.weight": ones };
    const named = await alignByValue(graphOf([{ name: "m.l.1.norm.weight", ...ones }, { name: "m.l.0.norm.weight", ...ones }]), checkpoint(base));
    expect(named.weights.map((mapped) => mapped?.parts.map(({ name, alike }) => [name, alike]))).toEqual([[["l.1.norm.weight", []]], [["l.0.norm.weight", []]]]);
    const nameless = graphOf([{ name: "onnx::1", ...ones }, { name: "onnx::2", ...ones }]);
    const map = await alignByValue(nameless, checkpoint(base));
    const expert = { "l.0.norm.weight": v(4, 1), "l.1.norm.weight": v(4, 2) };
    expect((await refusal(carryOver({ base: "b", model: "e", graph: nameless, map, from: checkpoint(base), to: checkpoint(expert) }))).code).toBe("graph-mismatch");
  });
});

describe("what cannot be mapped", () => {
  const base = { "a.weight": t([4, 6], 1), "b.weight": t([4, 6], 2), "pooler.weight": t([5, 5], 3) };
  const table = { name: "sinusoids", shape: [7, 3], values: gaussian(21, 5) };
  const graph = graphOf([{ name: "a.weight", ...base["a.weight"] }, { name: "onnx::2", ...turned(base["b.weight"]) }, table]);

  test("constants of the graph stay its own and are told; tensors it does not use do no harm", async () => {
    const map = await alignByValue(graph, checkpoint(base));
    expect(map.unmapped).toEqual([{ name: "sinusoids", shape: [7, 3] }]);
    expect(map.unused).toEqual([{ name: "pooler.weight", shape: [5, 5] }]);
    const carried = await carryOver({ base: "b", model: "e", graph, map, from: checkpoint(base), to: checkpoint({ ...base, "pooler.weight": t([5, 5], 8) }) });
    expect(await carried.read(2)).toEqual(table.values);
    expect(carried.notes).toEqual(["1 of 3 weights of the graph are in no tensor of b (sinusoids 7×3); e takes them from the graph as they are."]);
  });

  test("missing tensors and other shapes are named", async () => {
    const map = await alignByValue(graph, checkpoint(base));
    const error = await refusal(carryOver({ base: "org/base", model: "org/expert", graph, map, from: checkpoint(base), to: checkpoint({ "a.weight": v(24, 1) }) }));
    expect(error.code).toBe("shape-mismatch");
    expect(error.message).toBe("The weights of org/expert do not fit the graph of org/base: a.weight is 24 there but 4×6 in org/base; b.weight (4×6) is not there. 1 of 3 fit; take an expert that was fine-tuned from org/base.");
  });

  test("weights that the export folded: refused where the expert trained what they are made of", async () => {
    const folded = graphOf([{ name: "a.weight", ...base["a.weight"] }, { name: "folded", shape: [4, 6], values: base["b.weight"].values.map((x) => 2 * x) }]);
    const map = await alignByValue(folded, checkpoint(base));
    expect(map.unmapped).toEqual([{ name: "folded", shape: [4, 6] }]);
    const trained = { ...base, "b.weight": t([4, 6], 9) };
    const error = await refusal(carryOver({ base: "b", model: "e", graph: folded, map, from: checkpoint(base), to: checkpoint(trained) }));
    expect(error.message).toMatch(/in none of its tensors \(folded 4×6\), and e changed tensors .* \(b\.weight 4×6\)/);
    // Untouched, the graph's own numbers are the expert's.
    await carryOver({ base: "b", model: "e", graph: folded, map, from: checkpoint(base), to: checkpoint(base) });
  });

  test("numbers that are near each other but not equal are no match", async () => {
    const near = { "a.weight": { ...base["a.weight"], values: base["a.weight"].values.map((x, i) => (i === 23 ? x * 1.00001 : x)) } };
    expect((await alignByValue(graphOf([{ name: "a.weight", ...base["a.weight"] }]), checkpoint(near))).weights).toEqual([null]);
  });
});
