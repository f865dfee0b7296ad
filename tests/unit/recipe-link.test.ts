import { deflateSync } from "fflate";
import { describe, expect, test } from "vitest";
import { isLabError } from "../../src/lib/error.ts";
import { SeededStream } from "../../src/lib/stream.ts";
import { canonicalTrace, digestOf } from "../../src/recipe/digest.ts";
import { decodeLink, encodeLink, type SharedRun } from "../../src/recipe/link.ts";
import { ByteWriter } from "../../src/recipe/link/bytes.ts";
import { aggregate } from "../../src/fitness/aggregate.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";
import { compareShared, verdictOn } from "../../src/recipe/verify.ts";

const TASKS = ["digits", "clothes", "letters", "kana", "hebrew", "thai"];

function shared(measure: "metric" | "log_likelihood", how = "mean"): SharedRun {
  const recipe = parseRecipe({
    murmuration: 1,
    title: "Six scripts in one small ViT",
    base: { model: "zoo/glyphs/base" },
    experts: TASKS.map((id) => ({ id, model: `zoo/glyphs/${id}` })),
    tasks: TASKS.map((id) => ({ id, head: id, source: `zoo/glyphs/${id}` })),
    fitness: { measure, aggregate: how },
    runs: [{ id: "pso", method: "pso_merging" }],
    compare: [{ id: "average", method: "linear" }],
  });
  const stream = new SeededStream(4, "link");
  const rows = Array.from({ length: 54 }, (_, evaluation) => {
    const counts = Object.fromEntries(TASKS.map((id) => [id, stream.int(51)]));
    const tasks = Object.fromEntries(TASKS.map((id) => [id, Math.fround(measure === "metric" ? (counts[id] ?? 0) / 50 : stream.gaussian())]));
    if (evaluation === 20) return { run: "pso", evaluation, fitness: null, tasks: {}, diverged: true as const };
    return { run: "pso", evaluation, fitness: how === "mean" ? aggregate(recipe.tasks, tasks, "mean") : stream.next(), tasks, counts };
  });
  return { recipe, rows, digests: { pso: `sha256:${"5f".repeat(32)}` } };
}

describe("a link", () => {
  test.for([["metric", "mean"], ["log_likelihood", "mean"], ["log_likelihood", "worst"]] as const)("gives back %s, %s bit for bit, in under 4 kB", ([measure, how]) => {
    const run = shared(measure, how);
    const link = encodeLink(run);
    expect(decodeLink(link)).toEqual(run);
    expect(decodeLink(`#${link}`)).toEqual(run);
    if (how === "mean") expect(link.length).toBeLessThan(4096);
    expect(link).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  test("of settings alone is short", () => {
    const { recipe } = shared("metric");
    const link = encodeLink({ recipe, rows: [], digests: {} });
    expect(decodeLink(link)).toEqual({ recipe, rows: [], digests: {} });
    expect(link.length).toBeLessThan(1000);
  });

  test("with an evaluation missing is not made", () => {
    const run = shared("metric");
    expect(() => encodeLink({ ...run, rows: run.rows.slice(1) })).toThrow(/missing/);
  });

  const code = (bytes: Uint8Array) => Buffer.from([1, ...deflateSync(bytes)]).toString("base64url");
  const packed = (json: string, rest: (out: ByteWriter) => void = (out) => out.count(0)) => {
    const out = new ByteWriter();
    const bytes = new TextEncoder().encode(json);
    out.count(bytes.length);
    out.bytes(bytes);
    rest(out);
    return code(out.done());
  };
  const honest = JSON.stringify(shared("metric").recipe);

  test.for<[string, () => string]>([
    ["empty", () => ""],
    ["markup", () => "<img src=x onerror=alert(1)>"],
    ["another version", () => Buffer.from([9, 1, 2]).toString("base64url")],
    ["noise", () => Buffer.from(Array.from({ length: 300 }, (_, i) => (i === 0 ? 1 : (i * 73) % 251))).toString("base64url")],
    ["a megabyte", () => "A".repeat(1_000_000)],
    ["a bomb", () => code(new Uint8Array(50_000_000))],
    ["half a link", () => encodeLink(shared("metric")).slice(0, 900)],
    ["one character short", () => encodeLink(shared("metric")).slice(0, -4)],
    ["not JSON", () => packed("{")],
    ["not UTF-8", () => { const out = new ByteWriter(); out.count(2); out.bytes(Uint8Array.of(0xff, 0xfe)); return code(out.done()); }],
    ["__proto__", () => packed(honest.replace('"title"', '"__proto__":{"x":1},"title"'))],
    ["a billion steps", () => packed(honest.replace('"steps":5', '"steps":1000000000'))],
    ["a way out", () => packed(honest.replace("zoo/glyphs/base", "zoo/../../base"))],
    ["bytes after the end", () => packed(honest, (out) => { out.count(0); out.byte(1); })],
    ["a billion runs", () => packed(honest, (out) => out.count(1e9))],
    ["a billion rows", () => packed(honest, (out) => { out.count(1); out.count(0); out.byte(0); out.count(1e9); })],
    ["rows without scores", () => packed(honest, (out) => { out.count(1); out.count(0); out.byte(0); out.count(90_000); out.count(6); })],
    ["a run twice", () => packed(honest, (out) => { out.count(2); for (let i = 0; i < 2; i++) { out.count(0); out.byte(0); out.count(0); out.count(0); out.byte(0); out.byte(0); } })],
  ])("%s is refused with a sentence", ([, make]) => {
    try {
      decodeLink(make());
      expect.unreachable();
    } catch (error) {
      expect(isLabError(error, "bad-recipe")).toBe(true);
    }
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test("NaN scores become a diverged row", () => {
    const link = packed(honest, (out) => {
      out.count(1); out.count(0); out.byte(0); // the run, no digest
      out.count(1); out.count(1); out.count(0); // one row, one column: digits
      out.byte(0); out.byte(0); // not diverged, fitness is the mean
      out.planes(Float32Array.of(NaN));
      out.byte(0);
    });
    expect(decodeLink(link).rows).toEqual([{ run: "pso", evaluation: 0, fitness: null, tasks: {}, diverged: true }]);
  });
});

describe("a digest", () => {
  const { recipe } = shared("metric");
  const row = (change: object = {}) => ({
    evaluation: 0, step: 0, particle: 0, candidate: { kind: "coefficients" as const, values: [1, 0.5] },
    tasks: { digits: Math.fround(0.7) }, counts: { digits: 35 }, personalBest: true, globalBest: true, ...change,
  });

  test("is over canonical JSON of what determines the trace", async () => {
    expect(canonicalTrace([row()], recipe)).toBe(
      '{"murmuration":1,"trace":[{"candidate":{"kind":"coefficients","values":[1,0.5]},"evaluation":0,"flags":["personalBest","globalBest"],"particle":0,"scores":{"digits":35},"step":0}]}',
    );
    expect(await digestOf([row()], recipe)).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test("rounds log-likelihoods, counts proportions, leaves out what never became a best", async () => {
    const likely = shared("log_likelihood").recipe;
    const digest = (change: object, of = recipe) => digestOf([row(change)], of);
    expect(await digest({ tasks: { digits: 0.50001 } }, likely)).toBe(await digest({ tasks: { digits: 0.50002 } }, likely));
    expect(await digest({ tasks: { digits: 0.5001 } }, likely)).not.toBe(await digest({ tasks: { digits: 0.5003 } }, likely));
    expect(await digest({ counts: { digits: 34 } })).not.toBe(await digest({}));
    const lost = { personalBest: false, globalBest: false };
    expect(await digest({ ...lost, counts: { digits: 1 }, stopped: 10 })).toBe(await digest(lost));
  });

  test("of resident particles holds their seed", () => {
    const resident = row({ candidate: { kind: "resident", particle: 0, step: 0, what: "x" } });
    expect(canonicalTrace([resident], recipe)).toContain('"seed":7');
  });
});

describe("verifying", () => {
  const { recipe } = shared("metric");
  const there = { fitness: 0.7, tasks: { digits: 0.7 }, counts: { digits: 35 } };
  const margins = (...close: number[]) => ({ digits: { margin: Float64Array.from({ length: 50 }, (_, i) => (close.includes(i) ? 5e-5 : 1)) } });
  const compare = (local: object, samples = margins()) => compareShared("pso", 3, there, { ...there, ...local, samples }, recipe);

  test("equal is nothing to say", () => {
    expect(compare({})).toEqual([]);
    expect(verdictOn([], 54)).toMatchObject({ status: "equal", sentence: "All 54 evaluations score the same here." });
  });

  test("a sample on the edge explains a flip, and is named", () => {
    const found = compare({ tasks: { digits: 0.72 }, counts: { digits: 36 } }, margins(7, 9));
    expect(found).toEqual([{ run: "pso", evaluation: 3, task: "digits", kind: "flip", measured: "count", shared: 35, local: 36, samples: ["7", "9"] }]);
    expect(verdictOn(found, 54).status).toBe("flips");
  });

  test("anything more is a mismatch", () => {
    const found = compare({ tasks: { digits: 0.74 }, counts: { digits: 37 } }, margins(7));
    expect(found[0]).toMatchObject({ kind: "mismatch", shared: 35, local: 37 });
    expect(verdictOn(found, 54).sentence).toBe("Evaluation 3 of pso does not match: digits scored 37 here and 35 there.");
    expect(compare({ fitness: null })[0]).toMatchObject({ kind: "mismatch", measured: "diverged" });
    expect(compare({ tasks: { digits: 0.7003 } })[0]).toMatchObject({ kind: "mismatch", measured: "value" });
    expect(compare({ tasks: { digits: 0.70005 } })).toEqual([]);
  });
});
