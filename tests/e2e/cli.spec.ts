/** The contract of docs/recipe.md, from outside: what the command line writes, prints and answers. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { folder, murmuration, reportIn, rowsIn, tiny, type Ended } from "./commandLine.ts";

const raw = JSON.parse(readFileSync(tiny, "utf8"));

describe("what is wrong is said before anything starts", () => {
  const out = path.join(folder("refused"), "out");
  const recipe = (changes: object) => JSON.stringify({ ...raw, ...changes });

  test.for([
    ["an unknown field", recipe({ rnus: [] }), "runs"],
    ["a wrong type", recipe({ title: 7 }), "title"],
    ["an absurd count", recipe({ tasks: [{ ...raw.tasks[0], test: -1 }] }), "tasks.0.test"],
    ["a duplicate id", recipe({ experts: [raw.experts[0], { ...raw.experts[1], id: "digits" }] }), "digits"],
    ["the same expert twice", recipe({ experts: [raw.experts[0], { ...raw.experts[0], id: "again" }] }), "again"],
    ["a head that is nobody's", recipe({ tasks: [{ ...raw.tasks[0], head: "dgits" }] }), "digits"],
    ["something that is not JSON", "{", "not JSON"],
    ["a list", "[]", "object"],
  ] as const)("%s: exit code 2 and its name", async ([, input, names]) => {
    const { exitCode, stderr, stdout } = await murmuration(["merge", "-", "--out", out], { input });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(names);
    expect(stdout).toBe("");
    expect(existsSync(out)).toBe(false);
  });

  test("no recipe there: 2; no model there: 4; no mergekit file there: 2", async () => {
    expect(await murmuration(["merge", "nowhere.json", "--out", out])).toMatchObject({ exitCode: 2 });
    const missing = await murmuration(["merge", "-", "--out", out], { input: recipe({ base: { model: "./nowhere" } }) });
    expect(missing).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("./nowhere") });
    const yaml = await murmuration(["merge", "config.yml", "--out", out]);
    expect(yaml).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("config.yml") });
  });

  test("a folder that holds something is left alone", async () => {
    const full = folder("full");
    writeFileSync(path.join(full, "thesis.tex"), "years");
    expect(await murmuration(["merge", tiny, "--out", full])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--force") });
    expect(readdirSync(full)).toEqual(["thesis.tex"]);
  });
});

test("--dry-run counts and writes nothing", async () => {
  const out = path.join(folder("dry"), "out");
  const { exitCode, result } = await murmuration(["merge", tiny, "--out", out, "--dry-run"]);
  expect(exitCode).toBe(0);
  expect(result).toMatchObject({ ok: true, fits: true, downloadBytes: 0, runs: [{ id: "pso", evaluations: 18 }, { id: "average", evaluations: 1 }] });
  expect(result.inferences).toBeGreaterThan(18 * 40);
  expect(existsSync(out)).toBe(false);
});

describe("a merge", () => {
  const out = path.join(folder("merged"), "out");
  let ended: Ended;
  beforeAll(async () => {
    ended = await murmuration(["merge", tiny, "--out", out]);
  });

  test("ends with one line of JSON and code 0", () => {
    expect(ended.stderr).toContain("scoring on");
    expect(ended).toMatchObject({ exitCode: 0, result: { ok: true, export: "pso", scores: { pso: expect.any(Number), average: expect.any(Number), base: expect.any(Number) } } });
    expect(ended.stdout.trim().split("\n")).toHaveLength(1);
  });

  test("leaves model, report, predictions, recipe, card and trace, and nothing else", () => {
    // mergekit can say the winner only where no sparsified expert takes part in it.
    const [run] = reportIn(out).runs;
    const candidate = run?.best?.candidate;
    const plain = candidate?.kind === "coefficients" && candidate.values.every((value, i) => value === 0 || !run?.basis[i]?.includes(":"));
    expect(readdirSync(out).sort()).toEqual(["README.md", "clothes", "digits", ...(plain ? ["mergekit_config.yml"] : []), "onnx", "predictions.jsonl", "recipe.json", "report.json", "trace.jsonl"]);
    expect(readdirSync(path.join(out, "digits")).sort()).toEqual(["config.json", "onnx", "preprocessor_config.json"]);
    expect(readdirSync(path.dirname(out))).toEqual(["out"]);
    const report = reportIn(out);
    expect(report.runs[0]?.trace).toHaveLength(18);
    expect(rowsIn(out)).toHaveLength(18);
    expect(report.files.map(({ path }) => path)).toContain("digits/onnx/model.onnx");
    expect(readFileSync(path.join(out, "README.md"), "utf8")).toMatch(/^---\nbase_model:/);
    // 4 models and a merge, 100 test samples each.
    expect(readFileSync(path.join(out, "predictions.jsonl"), "utf8").trim().split("\n").length).toBeGreaterThanOrEqual(500);
  });

  test("made again gives the same digest and the same files, byte for byte", async () => {
    const again = path.join(folder("again"), "out");
    expect(await murmuration(["merge", path.join(out, "recipe.json"), "--out", again, "--quiet"])).toMatchObject({ exitCode: 0, stderr: "" });
    const [first, second] = [reportIn(out), reportIn(again)];
    expect(second.runs[0]?.digest).toBe(first.runs[0]?.digest);
    expect(second.files).toEqual(first.files);
    expect(second.scores).toEqual(first.scores);
  });

  test("with resident particles finds the same bests in the same places", async () => {
    const resident = path.join(folder("resident"), "out");
    expect(await murmuration(["merge", tiny, "--out", resident, "--quiet", "--set", "runs.0.swarm=resident"])).toMatchObject({ exitCode: 0 });
    const places = (from: string) => reportIn(from).runs[0]?.trace.map(({ evaluation, personalBest, globalBest }) => ({ evaluation, personalBest, globalBest }));
    expect(places(resident)).toEqual(places(out));
    const [a, b] = [reportIn(out).runs[0]?.trace ?? [], reportIn(resident).runs[0]?.trace ?? []];
    for (const [i, row] of a.entries()) expect(b[i]?.fitness).toBeCloseTo(row.fitness ?? Number.NaN, 3);
  });

  test("verifies", async () => {
    const { exitCode, result } = await murmuration(["verify", out]);
    expect(exitCode).toBe(0);
    expect(result).toMatchObject({ ok: true, status: "equal", evaluations: 18, runs: [{ id: "pso", same: true }] });
  });

  test("a report somebody touched does not verify, and the place is named", async () => {
    const touched = folder("touched");
    const report = reportIn(out);
    const rows = report.runs[0]?.trace.map((row) => (row.evaluation === 3 ? { ...row, tasks: { ...row.tasks, digits: 0.99 }, fitness: 0.99 } : row));
    writeFileSync(path.join(touched, "report.json"), JSON.stringify({ ...report, runs: [{ ...report.runs[0], trace: rows }] }));
    const { exitCode, result, stderr } = await murmuration(["verify", path.join(touched, "report.json")]);
    expect(exitCode).toBe(5);
    expect(result).toMatchObject({ ok: false, status: "mismatch" });
    expect(stderr).toContain("Evaluation 3 of pso");
  });

  test("scored from its folder has the scores of its report", async () => {
    const { exitCode, result } = await murmuration(["score", out, "--tasks", tiny, "--quiet"]);
    expect(exitCode).toBe(0);
    const scored = result.scores as Record<string, { test: number; correct?: number }>;
    const told = reportIn(out).scores.pso ?? {};
    for (const task of ["digits", "clothes"]) expect(scored[task]?.test).toBe(told[task]?.test);
  });

  test("experts taken from folders instead of the zoo give the same model", async () => {
    const place = folder("local");
    mkdirSync(path.join(place, "recipes"));
    const local = { ...raw, experts: raw.experts.map((expert: { id: string }) => ({ ...expert, model: `../models/${expert.id}` })) };
    const zoo = path.join(process.env.MURMURATION_DIST ?? "", "zoo/glyphs");
    for (const { id } of raw.experts) {
      mkdirSync(path.join(place, "models", id, "onnx"), { recursive: true });
      for (const file of ["config.json", "preprocessor_config.json", "onnx/model.onnx"]) writeFileSync(path.join(place, "models", id, file), readFileSync(path.join(zoo, id, file)));
    }
    writeFileSync(path.join(place, "recipes/local.json"), JSON.stringify(local));
    const target = path.join(place, "out");
    expect(await murmuration(["merge", path.join(place, "recipes/local.json"), "--out", target, "--quiet"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(reportIn(target).runs[0]?.digest).toBe(reportIn(out).runs[0]?.digest);
    const model = ({ files }: { files: readonly { path: string; sha256: string }[] }) => files.find(({ path }) => path === "digits/onnx/model.onnx")?.sha256;
    expect(model(reportIn(target))).toBe(model(reportIn(out)));
  });

  describe("cut short", () => {
    test("by Ctrl-C: code 130, no model, and --resume ends where the whole run ended", async () => {
      const cut = path.join(folder("cut"), "out");
      const longer = ["merge", tiny, "--out", cut, "--set", "runs.0.steps=2"];
      let sent = false;
      const stopped = await murmuration(longer, {
        during: (stderr, kill) => {
          if (sent || !stderr.includes("Searching")) return;
          sent = true;
          const wait = setInterval(() => {
            if (!existsSync(path.join(cut, "trace.jsonl")) || rowsIn(cut).length < 3) return;
            clearInterval(wait);
            kill("SIGINT");
          }, 20);
        },
      });
      expect(stopped).toMatchObject({ exitCode: 130, stdout: "", stderr: expect.stringContaining("--resume") });
      expect(readdirSync(cut).sort()).toEqual(["recipe.json", "trace.jsonl"]);
      expect(readdirSync(path.dirname(cut))).toEqual(["out"]);
      const kept = rowsIn(cut);
      expect(kept.length).toBeLessThan(18);

      expect(await murmuration([...longer, "--resume", "--quiet"])).toMatchObject({ exitCode: 0 });
      expect(rowsIn(cut).slice(0, kept.length)).toEqual(kept);
      expect(rowsIn(cut)).toHaveLength(18);
      expect(reportIn(cut).runs[0]?.digest).toBe(reportIn(out).runs[0]?.digest);
      expect(reportIn(cut).files).toEqual(reportIn(out).files);
    });
  });
});
