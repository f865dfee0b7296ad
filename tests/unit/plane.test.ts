import { describe, expect, it } from "vitest";
import { planeOf } from "../../src/engine/plane.ts";

/** Gram matrix of base and experts whose task vectors have these inner products; the base is orthogonal to all. */
function setting(inner: number[][]) {
  const n = inner.length + 1;
  const gram = new Float64Array(n * n);
  gram[0] = 4;
  inner.forEach((line, i) => line.forEach((value, j) => (gram[(i + 1) * n + j + 1] = value)));
  return { columns: ["base", ...inner.map((_, i) => `e${i}`)], experts: inner.map((_, i) => i + 1), gram };
}

function product(plane: { gram: number[]; columns: string[] }, a: number[], b: number[]): number {
  const n = plane.columns.length;
  return a.reduce((sum, x, i) => sum + b.reduce((inside, y, j) => inside + x * y * plane.gram[i * n + j], 0), 0);
}

describe("the plane", () => {
  it("has orthonormal axes that keep the base's coefficient in the span", () => {
    const plane = planeOf(setting([[9, 1, 0], [1, 4, 0], [0, 0, 1]]), null);
    if (!plane) throw new Error("no plane");
    expect(product(plane, plane.e1, plane.e1)).toBeCloseTo(1, 9);
    expect(product(plane, plane.e2, plane.e2)).toBeCloseTo(1, 9);
    expect(product(plane, plane.e1, plane.e2)).toBeCloseTo(0, 6);
    expect(plane.e1[0]).toBeCloseTo(0, 9); // affine: no direction along the base itself
    expect(plane.axes[0]).toContain("e0"); // the longest task vector leads
  });

  it("can be spanned by two named experts", () => {
    const plane = planeOf(setting([[9, 3, 0], [3, 4, 0], [0, 0, 1]]), ["e2", "e0"]);
    if (!plane) throw new Error("no plane");
    expect(plane.axes).toEqual(["towards e2", "towards e0"]);
    expect(plane.e1[3]).toBeCloseTo(1, 9);
    expect(plane.e2[1]).toBeCloseTo(1 / 3, 9);
  });

  it("is none where all experts are one", () => {
    expect(planeOf(setting([[1, 1], [1, 1]]), ["e0", "e1"])).toBeNull();
  });

  it("names what there is when an axis is unknown", () => {
    expect(() => planeOf(setting([[1, 0], [0, 1]]), ["e0", "nope"])).toThrow(/nope.*e0, e1/);
  });
});
