import { describe, expect, test } from "vitest";
import { modelCard, type Told } from "../../src/export/card.ts";
import { mergekitConfig } from "../../src/export/mergekit.ts";
import { readMergekit } from "../../src/recipe/mergekit/read.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";

const recipe = parseRecipe({
  murmuration: 1,
  base: { model: "zoo/x/base" },
  experts: [{ id: "a", model: "zoo/x/a" }, { id: "b", model: "zoo/x/b" }],
  tasks: [{ id: "t", source: "zoo/x/t" }],
  compare: [{ id: "plain", method: "ties", density: 0.2 }, { id: "tuned", method: "ties", density: { tune: [0.1, 0.9] } }, { id: "paper", method: "ties", density: 0.2, semantics: "paper" }],
});

/** A sweep that chose density 0.37. */
const sweep = {
  id: "tuned", method: "ties", digest: "sha256:00", basis: ["base", "a", "b"], groups: ["all"], trace: [],
  best: { evaluation: 4, step: 4, particle: 0, candidate: { kind: "method" as const, method: "ties", parameters: { density: 0.37, lambda: 1, normalize: true, rescale: false, rescaling: "l1", scope: "tensor" } } },
  cost: { proposals: 30, evaluations: 30, inferences: 0, wallMs: 0, runtimeMs: 0 },
};
const report: Told = { recipe, scores: {}, runs: [sweep], formulas: { plain: "θ = θ₀ + plain", tuned: "θ = θ₀ + tuned" } };

describe("a data-free merge is told", () => {
  test("as its formula on the model card", () => {
    expect(modelCard(report, "plain", "It works.")).toContain("`ties`:\n\n```\nθ = θ₀ + plain\n```");
    expect(modelCard(report, "tuned", "It works.")).toContain("`ties`, tuned: evaluation 4 of 30, digest `sha256:00`:\n\n```\nθ = θ₀ + tuned\n```");
  });

  test("as a mergekit file, with the number that was chosen where one was tuned", () => {
    for (const [id, density] of [["plain", 0.2], ["tuned", 0.37]] as const) {
      const yaml = mergekitConfig(report, id)!;
      const { recipe: back } = readMergekit(yaml);
      expect((back as { runs: { method: string; density?: number }[] }).runs[0]).toMatchObject({ method: "ties" });
      expect(yaml).toContain(`density: ${density}`);
    }
    expect(mergekitConfig(report, "paper")).toBeNull(); // counted over the whole model: mergekit has no words for it
  });
});
