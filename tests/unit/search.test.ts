import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { moveUniform } from "../../src/lib/rules.ts";
import { philox, seedKey, uniform } from "../../src/lib/philox.ts";
import { parseRecipe, type Recipe } from "../../src/recipe/schema.ts";
import type { MoveRule, ResidentSwarm, Segment } from "../../src/space/types.ts";
import { dataFreeCandidate, isSearch, openSearch, planOf } from "../../src/search/searches.ts";
import { derivedColumns, sparsifiedColumns, startingPoints } from "../../src/search/starts.ts";
import { coarseGrid, fineGrid } from "../../src/search/sweep/sweep.ts";
import type { Candidate, Ground, Proposal, Search, Told } from "../../src/search/types.ts";

type Run = Record<string, unknown>;

function recipeOf(run: Run, experts = ["a", "b"], seed = 7): Recipe {
  return parseRecipe({
    murmuration: 1,
    base: { model: "zoo/x/base" },
    experts: experts.map((id) => ({ id, model: `zoo/x/${id}` })),
    tasks: [{ id: "t", source: "zoo/x/t" }],
    runs: [run],
    seeds: { search: seed },
  });
}

class FakeSwarm implements ResidentSwarm {
  readonly backend = "cpu";
  readonly gpuBytes = 0;
  readonly deeds: string[] = [];
  rules: MoveRule[] = [];
  constructor(readonly particles: number) {}
  async start(rows: readonly Float64Array[]) { this.deeds.push(`start ${rows.length}`); }
  keep(particle: number) { this.deeds.push(`keep ${particle}`); }
  async move(step: number, best: number, rule: MoveRule) { this.deeds.push(`move ${step} on ${best}`); this.rules.push(rule); }
  async show() { return { nonFinite: false }; }
  destroy() { /* nothing held */ }
}

const segment = (index: number): Segment => ({ index, name: `w${index}`, shape: [1], transposed: false, length: 1, start: index, layer: null });

function groundOf(recipe: Recipe, segments = 2): Ground<FakeSwarm> {
  const run = recipe.runs[0];
  const masked = run === undefined ? [] : sparsifiedColumns(run as { start?: never }, recipe).map(({ id }) => id);
  return {
    columns: ["base", ...recipe.experts.map(({ id }) => id), ...masked],
    basis: { space: { segments: Array.from({ length: segments }, (_, i) => segment(i)) } },
    settle: async (particles) => new FakeSwarm(particles),
  };
}

async function open(run: Run, options: { experts?: string[]; seed?: number; segments?: number } = {}) {
  const recipe = recipeOf(run, options.experts, options.seed);
  const [own] = recipe.runs;
  if (own === undefined) throw new Error("no run");
  return { ...(await openSearch(own, recipe, groundOf(recipe, options.segments))), recipe, own };
}

/** Asks to the end, telling what `score` says of each candidate. */
async function follow(search: Search, score: (proposal: Proposal) => Told) {
  const rows: (Proposal & { fitness: Told; personalBest: boolean; globalBest: boolean })[] = [];
  for (let proposal = await search.ask(); proposal !== null; proposal = await search.ask()) {
    const fitness = score(proposal);
    rows.push({ ...proposal, fitness, ...(await search.tell(fitness)) });
  }
  return rows;
}

const values = (candidate: Candidate): readonly number[] => (candidate.kind === "coefficients" ? candidate.values : []);
/** A hill at λ = 0.4 each: any smooth function would do. */
const hill = ({ candidate }: Proposal) => -values(candidate).slice(1).reduce((sum, x) => sum + (x - 0.4) ** 2, 0);
const PSO = { method: "pso_merging", steps: 3 };

describe("PSO-Merging", () => {
  test("starts from base, experts and sparsified experts: 2N + 1 particles, (2N + 1)(S + 1) evaluations", async () => {
    const { search, recipe, own } = await open(PSO, { experts: ["a", "b", "c"] });
    expect(search.plan).toEqual({ evaluations: 28, particles: 7, steps: 3 });
    expect(planOf(own, recipe)).toEqual(search.plan);
    const rows = await follow(search, hill);
    expect(rows.slice(0, 7).map(({ origin }) => origin)).toEqual(["base", "a", "b", "c", "a:dare(0.2)", "b:dare(0.2)", "c:dare(0.2)"]);
    expect(values(rows[4]?.candidate as Candidate)).toEqual([1, 0, 0, 0, 1, 0, 0]);
    expect(rows.map(({ evaluation }) => evaluation)).toEqual(Array.from({ length: 28 }, (_, i) => i));
    expect(rows.map(({ step, particle }) => [step, particle])).toEqual(Array.from({ length: 28 }, (_, i) => [Math.floor(i / 7), i % 7]));
  });

  test("moves as the formula says, written out for three steps", async () => {
    const seed = 123;
    const rows = await follow((await open({ ...PSO, start: ["base", "experts"] }, { seed })).search, hill);
    // v ← w·v + c₁r₁(p − x) + c₂r₂(g − x); x ← x + v, everyone on the bests of the step before.
    const x = [[1, 0, 0], [1, 1, 0], [1, 0, 1]];
    const v = x.map(() => [0, 0, 0]);
    const f = (row: number[]) => -((row[1]! - 0.4) ** 2) - (row[2]! - 0.4) ** 2; // rows have three columns
    const p = x.map((row) => [...row]);
    const fp = x.map(f);
    let g = 0;
    x.forEach((_, i) => { if (fp[i]! > fp[g]!) g = i; });
    const expected: number[][] = x.map((row) => [...row]);
    for (let step = 1; step <= 3; step++) {
      const best = [...p[g]!];
      for (let i = 0; i < 3; i++) {
        const r1 = moveUniform(seed, step, i, 0, 0);
        const r2 = moveUniform(seed, step, i, 1, 0);
        for (let k = 0; k < 3; k++) {
          v[i]![k] = 0.2 * v[i]![k]! + 2 * r1 * (p[i]![k]! - x[i]![k]!) + 2 * r2 * (best[k]! - x[i]![k]!);
          x[i]![k]! += v[i]![k]!;
        }
      }
      for (let i = 0; i < 3; i++) {
        expected.push([...x[i]!]);
        if (f(x[i]!) > fp[i]!) { p[i] = [...x[i]!]; fp[i] = f(x[i]!); if (fp[i]! > fp[g]!) g = i; }
      }
    }
    rows.forEach(({ candidate }, i) => values(candidate).forEach((value, k) => expect(value).toBeCloseTo(expected[i]![k]!, 14)));
  });

  test("every candidate stays in the affine span of its starts: the base's coefficient is exactly 1", async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 53 - 1 }), fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })), async (seed, scores) => {
      const rows = await follow((await open({ ...PSO, steps: 8 }, { seed })).search, () => scores.next().value ?? 0);
      for (const { candidate } of rows) expect(values(candidate)[0]).toBe(1);
    }), { numRuns: 30 });
  });

  test("told the same scores it proposes the same, whatever scored them: resuming, recovering and verifying stand on this", async () => {
    const scores = fc.array(fc.option(fc.double({ min: -1, max: 1, noNaN: true })), { minLength: 20, maxLength: 20 });
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 53 - 1 }), scores, fc.constantFrom("scalar", "tensor"), async (seed, told, random) => {
      const once = await follow((await open({ ...PSO, random }, { seed })).search, ({ evaluation }) => told[evaluation] ?? null);
      const again = await follow((await open({ ...PSO, random }, { seed })).search, ({ evaluation }) => once[evaluation]?.fitness ?? null);
      expect(again).toEqual(once);
    }), { numRuns: 50 });
  });

  test("a tie never replaces: with constant fitness the first particle leads, and each keeps its start", async () => {
    const { search } = await open(PSO);
    const rows = await follow(search, () => 0.5);
    expect(rows.filter(({ globalBest }) => globalBest).map(({ evaluation }) => evaluation)).toEqual([0]);
    expect(rows.filter(({ personalBest }) => personalBest).map(({ evaluation }) => evaluation)).toEqual([0, 1, 2, 3, 4]);
    expect(search.best()?.proposal).toMatchObject({ evaluation: 0, origin: "base" });
  });

  test("a diverged candidate is never a best, and its particle goes on towards the others", async () => {
    const { search } = await open({ ...PSO, start: ["base", "experts"] });
    const rows = await follow(search, (proposal) => (proposal.step === 0 && proposal.particle === 1 ? null : proposal.particle === 2 ? NaN : hill(proposal)));
    expect(rows[1]).toMatchObject({ personalBest: false, globalBest: false });
    expect(rows.filter(({ particle }) => particle === 2).some(({ personalBest, globalBest }) => personalBest || globalBest)).toBe(false);
    expect(values(rows[4]!.candidate)).not.toEqual(values(rows[1]!.candidate)); // pulled to the global best alone
    expect(rows).toHaveLength(12);
    expect(search.finalists(9).map(({ proposal }) => proposal.particle)).not.toContain(2);
  });

  test("ends after the starts when all of them diverged: nobody would ever move", async () => {
    const { search } = await open(PSO);
    expect(await follow(search, () => null)).toHaveLength(5);
    expect(search.best()).toBeNull();
  });

  test("the best is the highest, the earlier among equals, and can be had at any time", async () => {
    const { search } = await open({ ...PSO, steps: 6 });
    const rows = await follow(search, hill);
    const highest = rows.reduce((a, b) => ((b.fitness ?? -Infinity) > (a.fitness ?? -Infinity) ? b : a));
    expect(search.best()).toEqual({ proposal: expect.objectContaining({ evaluation: highest.evaluation }), candidate: highest.candidate, fitness: highest.fitness });
    const finalists = search.finalists(3).map(({ fitness }) => fitness);
    expect(finalists).toEqual([...finalists].sort((a, b) => b - a));
  });

  test("with factors a tensor has one row a segment, each with its own draws", async () => {
    const { search } = await open({ ...PSO, random: "tensor", start: ["base", "experts"] }, { segments: 3, seed: 5 });
    const rows = await follow(search, ({ particle }) => particle);
    const moved = rows[3]?.candidate;
    if (moved?.kind !== "grouped") throw new Error("not grouped");
    expect(moved.values).toHaveLength(3);
    // The base moves on particle 2, expert b, alone: its own best is where it stands.
    moved.values.forEach((row, k) => expect(row).toEqual([1, 0, 2 * moveUniform(5, 1, 0, 1, k)]));
  });

  test("asking twice changes nothing", async () => {
    const { search } = await open(PSO);
    expect(await search.ask()).toBe(await search.ask());
  });

  test("exploding coefficients stay JSON", async () => {
    const { search } = await open({ ...PSO, steps: 400, inertia: 10, cognitive: 100, social: 100, start: ["base", "experts"] });
    const rows = await follow(search, ({ step }) => (step === 0 ? 1 : null));
    for (const { candidate } of rows) for (const value of values(candidate)) expect(Number.isFinite(value)).toBe(true);
  });

  test("resident: the same decisions, told to a swarm of weights", async () => {
    const told = ({ evaluation }: Proposal) => (evaluation === 1 ? null : Math.sin(evaluation * 7));
    const run = { ...PSO, start: ["base", "experts"] };
    const subspace = await follow((await open(run)).search, told);
    const { search, residence } = await open({ ...run, swarm: "resident", random: "element" });
    const resident = await follow(search, told);
    expect(resident.map(({ personalBest, globalBest }) => [personalBest, globalBest])).toEqual(subspace.map(({ personalBest, globalBest }) => [personalBest, globalBest]));
    expect(resident[4]?.candidate).toEqual({ kind: "resident", particle: 1, step: 1, what: "x" });
    expect(search.best()?.candidate).toMatchObject({ kind: "resident", what: "pbest" });
    expect(residence?.deeds.filter((deed) => deed.startsWith("move"))).toHaveLength(3);
    // Particle 1 has no best yet when the first move comes: where it stands serves as one.
    expect(residence?.deeds.slice(0, 5)).toEqual(["start 3", "keep 0", "keep 2", "keep 1", "move 1 on 2"]);
    expect(residence?.rules[0]).toEqual({ inertia: 0.2, cognitive: 2, social: 2, random: "element", seed: 7 });
  });

  test("starts from merges by name", async () => {
    const start = ["linear", { method: "task_arithmetic", lambda: 0.5, weights: { b: 2 } }, { sparsified_experts: { method: "magnitude", density: 0.3 } }, { sparsified_experts: { rescaling: "l1" } }];
    const rows = await follow((await open({ ...PSO, start })).search, hill);
    expect(rows.slice(0, 6).map(({ origin }) => origin)).toEqual(["linear", "task_arithmetic(0.5)", "a:magnitude(0.3)", "b:magnitude(0.3)", "a:dare(0.2,l1)", "b:dare(0.2,l1)"]);
    expect(values(rows[0]!.candidate).slice(0, 3)).toEqual([1, 0.5, 0.5]);
    expect(values(rows[1]!.candidate).slice(0, 3)).toEqual([1, 0.5, 1]);
  });
});

describe("random search", () => {
  test("draws λ by the published rule, between 0 and 2/N", async () => {
    const rows = await follow((await open({ method: "random", evaluations: 20 }, { seed: 2 ** 40 + 3 })).search, hill);
    expect(rows).toHaveLength(20);
    const u = uniform(philox([5, 0, 2, 1], seedKey(2 ** 40 + 3))[0]!);
    expect(values(rows[5]!.candidate)[2]).toBe(u);
    for (const { candidate } of rows) for (const value of values(candidate).slice(1)) expect(value >= 0 && value < 1).toBe(true);
  });
});

describe("a tuned λ", () => {
  const run = (evaluations: number) => ({ method: "task_arithmetic", lambda: { tune: [0.1, 1.5], evaluations } });

  test("spends its evaluations, no value twice, and closes in", async () => {
    for (const evaluations of [1, 2, 3, 4, 5, 30, 31]) {
      const { search } = await open(run(evaluations));
      const rows = await follow(search, hill);
      const lambdas = rows.map(({ candidate }) => values(candidate)[1]!);
      expect(new Set(lambdas.map((l) => l.toFixed(12))).size).toBe(evaluations);
      expect(Math.min(...lambdas)).toBeGreaterThanOrEqual(0.1);
      expect(Math.max(...lambdas)).toBeLessThanOrEqual(1.5);
      if (evaluations === 30) expect(values(search.best()!.candidate)[1]).toBeCloseTo(0.4, 1);
    }
  });

  test("coarse then fine, by hand", () => {
    expect(coarseGrid({ low: 0, high: 1, evaluations: 6 })).toEqual([0, 0.5, 1]);
    expect(fineGrid([0, 0.5, 1], 1, 2)).toEqual([0.25, 0.75]);
    expect(fineGrid([0, 0.5, 1], 0, 1)).toEqual([0.25]);
    expect(fineGrid([0, 0.5, 1], null, 3)).toEqual([]);
  });

  test("is a pure function of what it was told", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.option(fc.double({ noNaN: true })), { minLength: 12, maxLength: 12 }), async (told) => {
      const once = await follow((await open(run(12))).search, ({ evaluation }) => told[evaluation] ?? null);
      const again = await follow((await open(run(12))).search, ({ evaluation }) => told[evaluation] ?? null);
      expect(again).toEqual(once);
    }), { numRuns: 50 });
  });
});

describe("data-free merges", () => {
  const row = (run: Run) => {
    const recipe = recipeOf(run);
    const own = recipe.runs[0]!;
    expect(isSearch(own)).toBe(false);
    const candidate = dataFreeCandidate(own, recipe, ["base", "a", "b"]);
    return candidate && values(candidate);
  };

  test("linear averages, weights normalised as mergekit does", () => {
    expect(row({ method: "linear" })).toEqual([1, 0.5, 0.5]);
    expect(row({ method: "linear", weights: { a: 3 } })).toEqual([1, 0.75, 0.25]);
    expect(row({ method: "linear", weights: { a: 3 }, normalize: false })).toEqual([4, 3, 1]); // Σ wθ = Σw·θ₀ + Σ wδ
  });

  test("task arithmetic adds λ·w·δ", () => {
    expect(row({ method: "task_arithmetic", lambda: 0.5 })).toEqual([1, 0.5, 0.5]);
    expect(row({ method: "task_arithmetic", lambda: 0.5, weights: { a: 3 } })).toEqual([1, 1.5, 0.5]);
    expect(row({ method: "task_arithmetic", lambda: 0.5, weights: { a: 3 }, normalize: true })).toEqual([1, 0.375, 0.125]);
  });

  test("experts that are named alone are merged, and those that weigh the same everywhere", () => {
    expect(row({ method: "linear", models: ["b"] })).toEqual([1, 0, 1]);
    expect(row({ method: "task_arithmetic", lambda: 0.5, models: ["b", "a"] })).toEqual([1, 0.5, 0.5]);
  });

  test("what is more than coefficients is a candidate of its own, with all its numbers", () => {
    const recipe = recipeOf({ id: "t", method: "ties", density: 0.2, weights: { a: 2 } });
    const candidate = dataFreeCandidate(recipe.runs[0]!, recipe, ["base", "a", "b"]);
    expect(candidate).toEqual({ kind: "method", method: "ties", parameters: { density: 0.2, election: "weighted", weights: { a: 2 }, normalize: true, lambda: 1, rescale: false, rescaling: "l1", scope: "tensor" } });
    // A weight that varies over layers is no coefficient.
    expect(dataFreeCandidate(recipeOf({ method: "linear", models: ["base", "a"] }).runs[0]!, recipe, ["base", "a", "b"])?.kind).toBe("method");
    expect(dataFreeCandidate(recipeOf({ method: "task_arithmetic", lambda: [0.1, 0.5] }).runs[0]!, recipe, ["base", "a", "b"])?.kind).toBe("method");
  });

  test("any one number is tuned: the same grid, a merge a value", async () => {
    const { search, recipe, own } = await open({ method: "ties", density: { tune: [0.1, 0.9], evaluations: 8 } });
    expect(isSearch(own)).toBe(true);
    expect(planOf(own, recipe).evaluations).toBe(8);
    const density = ({ candidate }: Proposal) => (candidate.kind === "method" ? Number(candidate.parameters["density"]) : NaN);
    const rows = await follow(search, (proposal) => -((density(proposal) - 0.3) ** 2));
    expect(rows.map(density).slice(0, 4).map((value) => Number(value.toFixed(4)))).toEqual([0.1, 0.3667, 0.6333, 0.9]);
    expect(rows[1]?.origin).toBe("ties(0.366667)");
    expect(Math.abs(density(search.best()!.proposal) - 0.3)).toBeLessThan(0.05);
  });

  test("merges among a swarm's starts are columns of the basis, each once, or rows where they are no more", async () => {
    const start = ["base", { method: "linear" }, { method: "ties", density: 0.2 }, { method: "ties", density: 0.2 }, { method: "ties", density: 0.2000001 }, { method: "karcher" }, { method: "dare_linear", density: [{ filter: "mlp", value: [0.1, 0.5] }, { value: 1 }], weights: { a: 0.5 } }];
    const recipe = recipeOf({ ...PSO, start });
    const own = recipe.runs[0] as Parameters<typeof derivedColumns>[0];
    const columns = derivedColumns(own, recipe);
    expect(columns.map(({ id }) => id)).toEqual(["ties(0.2)", "ties(0.2000001)", "karcher()", "dare_linear([{filter=mlp,value=[0.1,0.5]},{value=1}],weights={a=0.5})"]);
    expect(columns[0]!.run).toMatchObject({ method: "ties", density: 0.2, normalize: true, rescaling: "l1", scope: "tensor" });
    const ids = ["base", "a", "b", ...columns.map(({ id }) => id)];
    const points = startingPoints((own as { start: never }).start, recipe, ids);
    expect(points.map(({ origin }) => origin)).toEqual(["base", "linear", "ties(0.2)", "ties(0.2)", "ties(0.2000001)", "karcher()", columns[3]!.id]); // with parentheses: an expert may be called karcher
    expect(Array.from(points[1]!.row)).toEqual([1, 0.5, 0.5, 0, 0, 0, 0]);
    expect(Array.from(points[4]!.row)).toEqual([1, 0, 0, 0, 1, 0, 0]);
  });

  test("one as a run is a search of one evaluation", async () => {
    const { search } = await open({ method: "linear" });
    expect(await follow(search, () => 1)).toHaveLength(1);
    expect(search.best()?.proposal.origin).toBe("linear");
  });
});

describe("peek", () => {
  /** For every proposal: what was peeked while it was being scored. */
  async function peeked(run: Run): Promise<(Candidate | null)[]> {
    const { search } = await open(run);
    expect(search.peek()).toBeNull();
    const seen: (Candidate | null)[] = [];
    for (let at = 0; await search.ask(); at++) {
      const next = search.peek();
      seen.push(next);
      await search.tell(Math.sin(at));
      if (next !== null) expect((await search.ask())?.candidate).toEqual(next);
    }
    return seen;
  }

  test("names the next candidate of a step; across steps nobody knows", async () => {
    const seen = await peeked({ method: "pso_merging", steps: 2, start: ["base", "experts"] });
    expect(seen.map((next) => next !== null)).toEqual([true, true, false, true, true, false, true, true, false]);
  });

  test("random search knows all, a sweep its coarse grid", async () => {
    expect((await peeked({ method: "random", evaluations: 4 })).map((next) => next !== null)).toEqual([true, true, true, false]);
    const sweep = await peeked({ method: "task_arithmetic", lambda: { tune: [0, 1], evaluations: 6 } });
    expect(sweep.map((next) => next !== null)).toEqual([true, true, false, false, false, false]);
  });
});
