import { expect, test } from "vitest";
import { centred, SIDE } from "../../src/ui/drawing.ts";
import { bytes, parameters, points, seconds } from "../../src/ui/format.ts";
import { scoreFrame } from "../../src/ui/plots/scoreFrame.ts";
import type { TraceRow } from "../../src/index.ts";

const SIZE = 168;
function drawing(paint: (x: number, y: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: SIZE * SIZE }, (_, i) => (paint(i % SIZE, Math.floor(i / SIZE)) ? 255 : 0));
}

test("an empty drawing is nothing to ask about", () => {
  expect(centred(new Uint8Array(SIZE * SIZE), SIZE)).toBeNull();
});

test("wherever it was drawn and however large, ink is scaled to 20 pixels round its centre of mass", () => {
  for (const [left, top, size] of [[4, 4, 60], [90, 30, 70], [10, 10, 150]] as const) {
    const image = centred(drawing((x, y) => x >= left && x < left + size && y >= top && y < top + size), SIZE);
    if (!image) throw new Error("no image");
    let [sum, sx, sy, wide] = [0, 0, 0, 0];
    image.forEach((value, i) => {
      sum += value;
      sx += value * (i % SIDE);
      sy += value * Math.floor(i / SIDE);
    });
    for (let x = 0; x < SIDE; x++) wide += (image[14 * SIDE + x] ?? 0) / 255;
    expect(sx / sum).toBeCloseTo(13.5, 1);
    expect(sy / sum).toBeCloseTo(13.5, 1);
    expect(wide).toBeCloseTo(20, 0);
  }
});

test("figures are set as people read them", () => {
  expect([points(0.0281), points(-0.14), points(-0.0001)]).toEqual(["+2.8", "−14.0", "0.0"]);
  expect([bytes(940), bytes(2_100), bytes(550_000), bytes(3_900_000)]).toEqual(["940 B", "2.1 kB", "550 kB", "3.9 MB"]);
  expect([seconds(0.2), seconds(9.4), seconds(125)]).toEqual(["under 1 s", "9 s", "2 min"]);
  expect(parameters(316_960)).toBe("0.32 M weights");
});

test("a few starts far below do not flatten the plot; they are counted", () => {
  const rows = [0.7, 0.71, 0.69, 0.72, 0.7, -3].map((fitness, evaluation): TraceRow => ({
    run: "pso", evaluation, step: 0, particle: evaluation, origin: "base", fitness, tasks: {}, candidate: { kind: "coefficients", values: [1] }, personalBest: true, globalBest: false,
  }));
  const frame = scoreFrame(rows, [0.6]);
  expect(frame.y[0]).toBeGreaterThan(0);
  expect(frame.below).toBe(1);
  expect(frame.best.map((p) => p.value)).toEqual([0.7, 0.71, 0.72]);
});
