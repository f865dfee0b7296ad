import { describe, expect, it } from "vitest";
import { pixelValues } from "../../src/fitness/images.ts";
import { readLogits, softmax } from "../../src/fitness/logits.ts";

function empty(count: number) {
  return { predictions: new Float64Array(count), correct: new Uint8Array(count), logLikelihood: new Float64Array(count), margin: new Float64Array(count) };
}

describe("logits", () => {
  it("become predictions, log-likelihoods and margins, at their place", () => {
    const scores = empty(3);
    const finite = readLogits(Float32Array.of(0, 0, 0, 1, 3, 2), 3, Int32Array.of(2, 1), scores, 1);
    expect(finite).toBe(true);
    expect([...scores.predictions]).toEqual([0, 0, 1]); // of equals, the first
    expect([...scores.correct]).toEqual([0, 0, 1]);
    expect(scores.logLikelihood[1]).toBeCloseTo(-Math.log(3), 12);
    expect(scores.logLikelihood[2]).toBeCloseTo(-Math.log(1 + Math.exp(-1) + Math.exp(-2)), 12);
    expect([...scores.margin]).toEqual([0, 0, 1]);
  });

  it("that are not finite are told", () => {
    expect(readLogits(Float32Array.of(1, NaN), 2, Int32Array.of(0), empty(1), 0)).toBe(false);
    expect(readLogits(Float32Array.of(1, Infinity), 2, Int32Array.of(0), empty(1), 0)).toBe(false);
  });

  it("do not overflow", () => {
    const scores = empty(1);
    readLogits(Float32Array.of(1000, -1000), 2, Int32Array.of(1), scores, 0);
    expect(scores.logLikelihood[0]).toBe(-2000);
    expect(softmax(Float32Array.of(1000, 1000))).toEqual(Float32Array.of(0.5, 0.5));
  });
});

describe("pixel values", () => {
  const preprocessor = { width: 2, height: 1, channels: 2, rescale: 1 / 255, mean: [0.5, 0], std: [0.5, 1] };

  it("are channels first, rescaled and normalised a channel at a time", () => {
    const values = pixelValues(Uint8Array.of(0, 255, 255, 0), 1, { width: 2, height: 1, channels: 2 }, preprocessor);
    expect([...values]).toEqual([-1, 1, 1, 0]);
  });

  it("of another size are refused with both sizes", () => {
    expect(() => pixelValues(new Uint8Array(9), 1, { width: 3, height: 3, channels: 1 }, preprocessor)).toThrow(/3×3 with 1.*2×1 with 2/);
  });
});
