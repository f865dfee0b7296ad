import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isLabError } from "../../src/lib/error.ts";
import { parseReport, reportJsonSchema, scoresCsv, type Report } from "../../src/recipe/report.ts";
import { parseRecipe, recipeJsonSchema } from "../../src/recipe/schema.ts";
import { resultSentence } from "../../src/recipe/sentence.ts";
import { fieldTable, recipeTable } from "../../src/recipe/documentation.ts";
import type { TraceRow } from "../../src/threads/events.ts";

const at = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const row: TraceRow = {
  run: "pso", evaluation: 0, step: 0, particle: 0, origin: "base", fitness: 0.5, tasks: { digits: 0.6 }, counts: { digits: 30 },
  candidate: { kind: "coefficients", values: [1, 0] }, personalBest: true, globalBest: true,
};

function report(change: Partial<Report> = {}): Report {
  return {
    murmuration: 1,
    recipe: parseRecipe({
      murmuration: 1, base: { model: "zoo/g/base" },
      experts: [{ id: "digits", model: "zoo/g/digits" }, { id: "clothes", model: "zoo/g/clothes" }],
      tasks: [{ id: "digits", head: "digits", source: "zoo/g/digits" }, { id: "clothes", head: "clothes", source: "zoo/g/clothes" }],
      runs: [{ id: "pso", method: "pso_merging" }], compare: [{ id: "average", method: "linear" }],
    }),
    device: { adapter: "x", kernels: "cpu", runtime: "wasm", isFallback: true, threads: 2, browser: "y", versions: {} },
    scores: { pso: { digits: { optimise: 0.6, test: 0.58, n: 500, interval: [0.54, 0.62], how: "wilson" }, mean: { test: 0.729 } } },
    differences: [
      { a: "pso", b: "average", task: "mean", estimate: 0.028, interval: [0.016, 0.041], verdict: "better", how: "" },
      { a: "pso", b: "digits", task: "digits", estimate: -0.02, interval: [-0.05, 0.01], verdict: "open", how: "" },
      { a: "pso", b: "clothes", task: "clothes", estimate: -0.14, interval: [-0.17, -0.11], verdict: "worse", how: "" },
    ],
    runs: [{ id: "pso", digest: "sha256:0", basis: ["base"], groups: ["all"], trace: [row], best: null, cost: { proposals: 1, evaluations: 1, inferences: 50, wallMs: 1, runtimeMs: 1 } }],
    cost: { wallMs: 1, runtimeMs: 1, downloadBytes: 0, modelBytes: 0, gpuBytesPeak: 0, heapBytesPeak: 0 },
    warnings: [], files: [],
    ...change,
  };
}

describe("a report", () => {
  test("read from its own JSON is itself", () => {
    expect(parseReport(JSON.parse(JSON.stringify(report())))).toEqual(report());
  });

  test("that is none is refused by name", () => {
    try {
      parseReport({ ...report(), runs: [{ id: 3 }] });
      expect.unreachable();
    } catch (error) {
      expect(isLabError(error, "bad-arguments")).toBe(true);
      expect((error as Error).message).toMatch(/runs\.0\.id/);
    }
  });

  test("as CSV has one line a model and task", () => {
    expect(scoresCsv(report())).toBe("model,task,optimise,validate,test,n,low,high,how\npso,digits,0.6,,0.58,500,0.54,0.62,wilson\npso,mean,,,0.729,,,,\n");
  });
});

describe("the sentence", () => {
  test("tells the score, the difference with its interval, and what was given up", () => {
    expect(resultSentence(report()).text).toBe(
      "The merge is right on 72.9 % of samples no search has seen, 2.8 points above the plain average (95 %: 1.6 to 4.1). " +
        "Against each task's own expert it gives up 14.0 points of clothes.",
    );
  });

  test("claims nothing where the interval holds 0", () => {
    const differences = [{ a: "pso", b: "average", task: "mean", estimate: 0.004, interval: [-0.01, 0.018] as const, verdict: "open" as const, how: "" }];
    expect(resultSentence(report({ differences })).text).toBe(
      "The merge is right on 72.9 % of samples no search has seen, which these samples cannot tell from the plain average: a difference of 0.4 points (95 %: −1.0 to 1.8).",
    );
  });

  test("says below where it is below, and stands without tests", () => {
    const differences = [{ a: "pso", b: "average", task: "mean", estimate: -0.01, interval: [-0.02, -0.005] as const, verdict: "worse" as const, how: "" }];
    expect(resultSentence(report({ differences })).text).toContain("1.0 point below the plain average (95 %: −2.0 to −0.5).");
    expect(resultSentence(report({ scores: {} })).text).toBe("There is no merged model with test scores in this run.");
  });
});

// Made by `node docs/write.mjs`.
describe("what is published is current", () => {
  test("docs/recipe.schema.json", () => {
    expect(JSON.parse(at("docs/recipe.schema.json"))).toEqual(JSON.parse(JSON.stringify(recipeJsonSchema())));
  });

  test("docs/report.schema.json", () => {
    expect(JSON.parse(at("docs/report.schema.json"))).toEqual(JSON.parse(JSON.stringify(reportJsonSchema())));
  });

  test("every field of the recipe and the report stands in docs/recipe.md", () => {
    const docs = at("docs/recipe.md");
    expect(docs).toContain(recipeTable(recipeJsonSchema("inline")));
    expect(docs).toContain(fieldTable(reportJsonSchema("inline"), ["recipe"]));
  });

  test("docs/recipe.md quotes the replay as it is", () => {
    const ten = at("docs/replay.py").split(/^# -{3}.*$/m)[1]?.trim() ?? "missing";
    expect(at("docs/recipe.md")).toContain(ten);
  });

  test.for(readdirSync(new URL("../../recipes", import.meta.url)))("recipes/%s is a recipe", (file) => {
    expect(() => parseRecipe(JSON.parse(at(`recipes/${file}`)))).not.toThrow();
  });
});
