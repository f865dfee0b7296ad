import { describe, expect, test } from "vitest";
import { settle } from "../../src/methods/check.ts";
import { METHOD_NAMES, methodSpec } from "../../src/methods/fields.ts";
import type { TensorJob } from "../../src/methods/types.ts";

const job = (method: string, perModel: readonly Record<string, number>[], parameters: TensorJob["parameters"] = {}, base: number | null = 0): TensorJob => ({
  method, name: "layer.0.weight", shape: [2, 3], seed: 7, base, parameters,
  inputs: perModel.map((one, i) => ({ id: i === base ? "base" : `m${i}`, parameters: one })),
});

describe("what methods take", () => {
  test("names and defaults are mergekit's", () => {
    expect(METHOD_NAMES).toHaveLength(21);
    const ties = methodSpec("ties");
    expect(ties.perModel["weight"]).toMatchObject({ required: true, default: null, kind: "number" });
    expect(ties.perModel["density"]).toMatchObject({ required: false, default: 1 });
    expect(ties.whole["normalize"]).toMatchObject({ default: true, kind: "boolean" });
    expect(methodSpec("dare_ties").whole["rescale"]).toMatchObject({ default: true });
    expect(methodSpec("breadcrumbs").perModel["gamma"]).toMatchObject({ default: 0.01 });
    expect(methodSpec("della").perModel["epsilon"]).toMatchObject({ default: 0.15 });
    expect(methodSpec("slerp").whole["t"]).toMatchObject({ required: true });
    expect(methodSpec("passthrough").perModel["scale"]).toMatchObject({ required: false, default: null });
  });

  test("defaults are filled in", () => {
    const { whole, perModel, models } = settle(job("ties", [{}, { weight: 1 }, { weight: 2, density: 0.2 }]));
    expect(whole).toEqual({ normalize: true, lambda: 1, rescale: false, rescaling: "l1", int8_mask: false, scope: "tensor", election: "weighted" });
    expect(perModel).toEqual([{}, { weight: 1, density: 1 }, { weight: 2, density: 0.2 }]);
    expect(models).toEqual([1, 2]);
  });

  test.each([
    ["an unknown method", job("tiess", [{}, {}]), '"tiess" is no merge method; did you mean ties?'],
    ["too many models", job("slerp", [{}, {}, {}], { t: 0.5 }), "slerp takes exactly 1 model beside the base, not 2 (tensor layer.0.weight, models base, m1 and m2)."],
    ["too few", job("model_stock", [{}, {}]), "model_stock takes at least 2 models beside the base, not 1"],
    ["no base", job("ties", [{ weight: 1 }], {}, null), "ties needs a base model"],
    ["no weight", job("ties", [{}, {}]), "ties: weight of m1 is missing"],
    ["a density of 1.5", job("ties", [{}, { weight: 1, density: 1.5 }]), "ties: density of m1 must be a number from 0 to 1, not 1.5 (tensor layer.0.weight)."],
    ["weights that cancel", job("linear", [{ weight: 1 }, { weight: -1 }], {}, null), "sum to zero: m0 1 and m1 -1"],
    ["an unknown parameter", job("ties", [{}, { weight: 1, densty: 1 }]), "densty of m1 is no parameter of ties; did you mean density?"],
    ["an unknown whole one", job("slerp", [{}, {}], { t: 1, tt: 1 }), "tt is no parameter of slerp"],
    ["della's chances", job("della", [{}, { weight: 1, density: 0.9, epsilon: 0.15 }]), "m1 has density 0.9 and epsilon 0.15"],
    ["not a number", job("slerp", [{}, {}], { t: NaN }), "slerp: t must be a finite number, not NaN"],
  ])("%s is refused in a sentence", (_, bad, sentence) => {
    expect(() => settle(bad)).toThrow(sentence);
  });
});
