import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { help, parseArguments } from "../../tools/cli/arguments.mjs";
import { differs, ResultFolder } from "../../tools/cli/folder.mjs";
import { mount } from "../../tools/cli/mounts.mjs";
import { nearest } from "../../tools/cli/nearest.mjs";
import { pushOrder } from "../../tools/cli/push.mjs";
import { ask, isLocal } from "../../tools/cli/recipe.mjs";

/** What a call fails with: its exit code and its sentence. */
function failure(work: () => unknown): { exitCode: number; message: string } {
  try {
    work();
  } catch (error) {
    return error as { exitCode: number; message: string };
  }
  throw new Error("It did not fail.");
}

let scratch = "";
beforeEach(() => void (scratch = mkdtempSync(path.join(tmpdir(), "murmuration-cli-"))));
afterEach(() => rmSync(scratch, { recursive: true }));

describe("arguments", () => {
  test("merge knows its options", () => {
    const asked = parseArguments(["merge", "a.json", "--out", "o", "--seed", "9", "--set", "runs.0.steps=3", "--set", "title=a=b", "--backend", "wasm"]);
    expect(asked).toMatchObject({
      command: "merge",
      what: "a.json",
      out: "o",
      seed: 9,
      backend: "wasm",
      resume: false,
      set: ["runs.0.steps=3", "title=a=b"],
    });
  });

  test.for([
    [["mrge"], "Nearest: merge"],
    [["merge"], "needs a recipe"],
    [["merge", "a.json"], "--out DIR"],
    [["merge", "a.json", "b.json", "--out", "o"], "2 were given"],
    [["merge", "a.json", "--out", "o", "--sed", "1"], "Nearest: --seed"],
    [["merge", "a.json", "--out", "o", "--seed", "-1"], "--seed"],
    [["merge", "a.json", "--out", "o", "--seed", "1.5"], "whole number"],
    [["merge", "a.json", "--out", "o", "--backend", "cuda"], "auto, webgpu or wasm"],
    [["merge", "a.json", "--out", "o", "--resume", "--force"], "one of them"],
    [["merge", "a.json", "--out", "o", "--push", "merged"], "owner/name"],
    [["merge", "a.json", "--dry-run", "--push", "me/merged"], "nothing to push"],
    [["merge", "a.json", "--out", "o", "--private"], "--push"],
    [["score", "zoo/glyphs/base"], "--tasks RECIPE"],
    [["verify"], "needs a report"],
  ] as const)("%j is refused with code 2 and a sentence", ([argv, says]) => {
    const { exitCode, message } = failure(() => parseArguments([...argv]));
    expect(exitCode).toBe(2);
    expect(message).toContain(says);
  });
});

test("all options stand in docs/recipe.md (run node docs/write.mjs)", () => {
  const docs = readFileSync(new URL("../../docs/recipe.md", import.meta.url), "utf8");
  for (const command of ["merge", "score", "verify"]) expect(docs).toContain(help(command).split("\nExit codes:")[0]?.trim());
});

test("a push without a token is refused before anything starts", () => {
  vi.stubEnv("HF_TOKEN", "");
  expect(failure(() => pushOrder({ push: "me/merged", private: false }))).toMatchObject({ exitCode: 2, message: expect.stringContaining("HF_TOKEN") as string });
  vi.stubEnv("HF_TOKEN", "hf_x");
  expect(pushOrder({ push: "me/merged", private: true })).toMatchObject({ repo: "me/merged", private: true });
  expect(pushOrder({ push: null, private: false })).toBeNull();
  vi.unstubAllEnvs();
});

test("--set and --seed change what is asked, by position or by id", async () => {
  const raw = { murmuration: 1, base: { model: "zoo/glyphs/base" }, experts: [{ id: "a", model: "zoo/glyphs/digits" }], tasks: [{ id: "a", source: "zoo/glyphs/digits" }], method: "pso_merging" };
  const recipe = await ask(raw, { set: ["tasks.a.optimise=7", "tasks.0.test=8", "method=linear"], seed: 12 });
  expect(recipe.tasks[0]).toMatchObject({ optimise: 7, test: 8 });
  expect(recipe.runs[0]?.method).toBe("linear");
  expect(recipe.seeds.search).toBe(12);
  await expect(ask(raw, { set: ["tasks.b.test=8"] })).rejects.toMatchObject({ exitCode: 2 });
  await expect(ask(raw, { set: ["tasks.a.tset=8"] })).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining("test") });
});

describe("local models", () => {
  test("paths relative to the recipe become relative to the results", () => {
    mkdirSync(path.join(scratch, "recipes/models/a/onnx"), { recursive: true });
    writeFileSync(path.join(scratch, "recipes/models/a/config.json"), "{}");
    writeFileSync(path.join(scratch, "recipes/models/a/onnx/model.onnx"), "12345");
    const recipe = { base: { model: "zoo/glyphs/base" }, experts: [{ id: "a", model: "./models/a" }], tasks: [] };
    const mounts = mount(recipe, path.join(scratch, "recipes"), path.join(scratch, "out"));
    expect(recipe.experts[0]?.model).toBe("../recipes/models/a");
    expect([...mounts]).toEqual([
      ["../recipes/models/a", { folder: path.join(scratch, "recipes/models/a"), files: [{ path: "config.json", bytes: 2 }, { path: "onnx/model.onnx", bytes: 5 }] }],
    ]);
  });

  test("one that is not there is code 4, by name", () => {
    const recipe = { base: { model: "./nowhere" }, experts: [], tasks: [] };
    const { exitCode, message } = failure(() => mount(recipe, scratch, scratch));
    expect(exitCode).toBe(4);
    expect(message).toContain("./nowhere");
  });

  test.for([["./a", true], ["../a", true], ["/a", true], ["a/b", false], ["zoo/glyphs/base", false], [".hidden/x", false]] as const)("%s is local: %s", ([reference, local]) => {
    expect(isLocal(reference)).toBe(local);
  });
});

describe("the results' folder", () => {
  const recipe = { title: "a", runs: [{ id: "pso", steps: 5 }] };
  const plain = { resume: false, force: false };
  const out = () => path.join(scratch, "out");

  function finished(options = plain): ResultFolder {
    const folder = new ResultFolder(out(), options);
    folder.begin(recipe, []);
    folder.append({ run: "pso", evaluation: 0 });
    mkdirSync(path.join(folder.beside, "digits"));
    folder.write("digits/config.json", "{}");
    folder.write("report.json", JSON.stringify({ files: [{ path: "digits/config.json" }] }));
    folder.finish();
    return folder;
  }

  test("one that holds something is refused, unless told otherwise", () => {
    mkdirSync(out());
    new ResultFolder(out(), plain); // empty is fine
    writeFileSync(path.join(out(), "thesis.tex"), "years");
    expect(failure(() => new ResultFolder(out(), plain))).toMatchObject({ exitCode: 2 });
    new ResultFolder(out(), { ...plain, force: true });
    expect(failure(() => new ResultFolder(path.join(out(), "thesis.tex"), plain))).toMatchObject({ exitCode: 2 });
  });

  test("holds everything at the end and nothing beside it", () => {
    finished();
    expect(readdirSync(out()).sort()).toEqual(["digits", "recipe.json", "report.json", "trace.jsonl"]);
    expect(readdirSync(scratch)).toEqual(["out"]);
  });

  test("after a failure holds no model, only the trace", () => {
    const folder = new ResultFolder(out(), plain);
    folder.begin(recipe, []);
    folder.append({ run: "pso", evaluation: 0 });
    folder.write("model.onnx", "half");
    folder.abandon();
    expect(readdirSync(out()).sort()).toEqual(["recipe.json", "trace.jsonl"]);
    expect(readdirSync(scratch)).toEqual(["out"]);
  });

  test("is gone again when nothing was scored", () => {
    const folder = new ResultFolder(out(), plain);
    folder.begin(recipe, []);
    folder.abandon();
    expect(existsSync(out())).toBe(false);
  });

  test("--force replaces what an earlier run wrote, and nothing of anybody else's", () => {
    finished();
    writeFileSync(path.join(out(), "thesis.tex"), "years");
    const folder = new ResultFolder(out(), { ...plain, force: true });
    folder.begin(recipe, []);
    expect(readdirSync(out()).sort()).toEqual(["recipe.json", "thesis.tex", "trace.jsonl"]);
    folder.abandon();
  });

  test("--force follows no report out of the folder", () => {
    finished();
    writeFileSync(path.join(scratch, "precious"), "x");
    writeFileSync(path.join(out(), "report.json"), JSON.stringify({ files: [{ path: "../precious" }] }));
    new ResultFolder(out(), { ...plain, force: true }).begin(recipe, []);
    expect(existsSync(path.join(scratch, "precious"))).toBe(true);
  });

  test("--resume takes the rows that are whole, and cuts off the one that is not", () => {
    const first = new ResultFolder(out(), plain);
    first.begin(recipe, []);
    first.append({ run: "pso", evaluation: 0 });
    first.append({ run: "pso", evaluation: 1 });
    first.abandon();
    writeFileSync(path.join(out(), "trace.jsonl"), '{"run":"pso"', { flag: "a" });
    const second = new ResultFolder(out(), { ...plain, resume: true });
    const rows = second.journal(recipe);
    expect(rows).toEqual([{ run: "pso", evaluation: 0 }, { run: "pso", evaluation: 1 }]);
    second.begin(recipe, rows);
    expect(readFileSync(path.join(out(), "trace.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
    second.abandon();
  });

  test("--resume goes on with no other recipe, and says what differs", () => {
    finished();
    const { exitCode, message } = failure(() => new ResultFolder(out(), { ...plain, resume: true }).journal({ ...recipe, runs: [{ id: "pso", steps: 6 }] }));
    expect(exitCode).toBe(2);
    expect(message).toContain("runs.0.steps");
  });
});

test("differs names the first place", () => {
  expect(differs({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toBeNull();
  expect(differs({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] })).toBe("a.1.b");
});

test("nearest forgives a slip", () => {
  expect(nearest("ot", ["out", "seed", "force"])).toBe("out");
});
