import { describe, expect, test } from "vitest";
import { directions, family, largestDifference, makeSpace, rule } from "./sample.ts";
import { filled, gpuWith, theGpu } from "./gpu.ts";

// 0: nothing to bind; 1 and 193: no whole vec4, a partly filled tile; 1024: one full tile; 63 × 65 transposed: several, odd.
const mixed = makeSpace([{ shape: [0] }, { shape: [1] }, { shape: [193] }, { shape: [1024] }, { shape: [63, 65], transposed: true }, { shape: [32, 64], transposed: true }]);
// Five terms of at most ~5 each, every one rounded to f32 at most twice (a fused multiply-add rounds once).
const tolerance = 2 * 5 * 5 * 2 ** -24;
const row = Float64Array.of(1, 0.4, -0.7, 1, 0.3);

describe.each(["f32", "f16"] as const)("materialise, %s directions", (precision) => {
  test.each(["gpu", "cpu"] as const)("agrees with its CPU twin, slot bound to the %s", async (bind) => {
    const models = family(mixed, 2);
    const specs = directions(2, precision);
    const gpu = await theGpu();
    const [onGpu, inMemory] = [await filled(mixed, specs, models, gpu), await filled(mixed, specs, models, null)];
    const [slot, twin] = [onGpu.openSlot(bind), inMemory.openSlot("cpu")];
    const rows = Float64Array.from({ length: mixed.segments.length * 5 }, (_, i) => Math.sin(i));
    for (const c of [row, rows, Float64Array.of(1, 0, 0, 0, 0), Float64Array.of(0, 0, 0, 1, 0)]) {
      expect(await slot.materialise(c)).toEqual({ nonFinite: false });
      await twin.materialise(c);
      const got = await slot.read();
      got.forEach((weights, s) => expect(largestDifference(weights, twin.arrays[s]!)).toBeLessThanOrEqual(tolerance));
      await slot.materialise(c);
      expect(await slot.read()).toEqual(got); // the same bits twice
    }
    slot.destroy();
    onGpu.destroy();
  });
});

// What a real adapter runs (one vec4 a thread) and what a software one runs (eight) are different texts of one kernel.
test.each([1, 2, 4, 8] as const)("%i vec4 a thread give the twin's weights too", async (grain) => {
  const models = family(mixed, 2);
  const specs = [...directions(2), { kind: "masked", id: "again", of: "expert0", rule: rule("expert0", { density: 0.5 }) } as const];
  const gpu = await gpuWith({ grain });
  const [slot, twin] = [(await filled(mixed, specs, models, gpu)).openSlot("cpu"), (await filled(mixed, specs, models, null)).openSlot("cpu")];
  for (const c of [[1, 0.4, -0.7, 1, 0.3, -0.2], [0, 0, 0, 1, 0, 1], [1, 0, 0, 0, 0, 0]]) {
    await slot.materialise(Float64Array.from(c));
    await twin.materialise(Float64Array.from(c));
    slot.arrays.forEach((weights, s) => expect(largestDifference(weights, twin.arrays[s]!)).toBeLessThanOrEqual(tolerance));
  }
  gpu.destroy();
});

test("more than one row of the grid", async () => {
  // At one vec4 a thread 65,535 groups of 128 hold 2²⁵ elements, less 512: five more need a second row. Base only: 134 MB a buffer.
  const n = 65_535 * 512 + 5;
  const space = makeSpace([{ shape: [n] }]);
  const gpu = await gpuWith({ grain: 1 });
  const base = new Float32Array(n);
  for (let i = 0; i < n; i++) base[i] = i & 0xffff;
  const basis = await filled(space, [{ kind: "base", id: "base" }], [[base]], gpu);
  const slot = basis.openSlot("cpu");
  await slot.materialise(Float64Array.of(2));
  let wrong = 0;
  slot.arrays[0]!.forEach((w, i) => (wrong += Number(w !== 2 * (i & 0xffff))));
  expect(wrong).toBe(0);
  gpu.destroy();
});

describe("tensors over a limit are cut", () => {
  // 16 kB a binding holds 1,024 elements of four f32 directions: the tensors lie in many slabs and pieces.
  test.each(["gpu", "cpu"] as const)("and give the very same weights, slot bound to the %s", async (bind) => {
    const space = makeSpace([{ shape: [5000] }, { shape: [70, 70], transposed: true }, { shape: [3] }]);
    const models = family(space, 4);
    const specs = directions(4, "f32", { rescaling: "l1" });
    const small = await gpuWith({ limits: { maxStorageBufferBindingSize: 1 << 14 } });
    const whole = await theGpu();
    const weights = [];
    for (const gpu of [small, whole]) {
      const basis = await filled(space, specs, models, gpu);
      const slot = basis.openSlot(bind);
      await slot.materialise(Float64Array.of(1, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4));
      weights.push(await slot.read());
      expect(await basis.gram()).toHaveLength(81);
      basis.destroy();
      slot.destroy();
    }
    expect(weights[0]).toEqual(weights[1]);
    small.destroy();
  });

  test("at the real default: a tensor of 130 MiB on a device of 128 MiB a binding", async () => {
    const n = 130 * 2 ** 18;
    const space = makeSpace([{ shape: [n] }, { shape: [7] }]);
    const gpu = await gpuWith({ limits: { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28 } });
    const ramp = (scale: number) => Float32Array.from({ length: n }, (_, i) => scale * (i & 0xfff));
    const seven = new Float32Array(7).fill(1);
    const basis = await filled(space, directions(1).slice(0, 2), [[ramp(1), seven], [ramp(2), seven]], gpu);
    const slot = basis.openSlot("gpu");
    expect(slot.buffers[0]!.size).toBe(4 * n);
    await slot.materialise(Float64Array.of(1, 0.5));
    let wrong = 0;
    (await slot.read())[0]!.forEach((w, i) => (wrong += Number(w !== 1.5 * (i & 0xfff))));
    expect(wrong).toBe(0);
    gpu.destroy();
  });
});

describe("numbers that are not finite", () => {
  test.each(["gpu", "cpu"] as const)("are told, and do no harm with coefficient 0, slot bound to the %s", async (bind) => {
    const models = family(mixed, 2);
    models[1]![4]![5] = NaN;
    models[1]![1]![0] = Infinity;
    const basis = await filled(mixed, directions(2), models, await theGpu());
    const slot = basis.openSlot(bind);
    expect(await slot.materialise(Float64Array.of(1, 1, 0, 0, 0))).toEqual({ nonFinite: true });
    expect(await slot.materialise(Float64Array.of(1, 0, 1, 0, 1))).toEqual({ nonFinite: false });
    expect(await slot.write(models[1]!)).toEqual({ nonFinite: true });
    expect(await slot.write(models[2]!)).toEqual({ nonFinite: false });
    expect(await slot.read()).toEqual(models[2]);
    slot.destroy();
    basis.destroy();
  });
});

test.each(["gpu", "cpu"] as const)("200 candidates leave as many buffers as 2, slot bound to the %s", async (bind) => {
  const gpu = await gpuWith();
  const basis = await filled(mixed, directions(2), family(mixed, 2), gpu);
  const slot = basis.openSlot(bind);
  const alive: number[][] = [];
  for (let i = 1; i <= 200; i++) {
    await slot.materialise(row);
    if (i === 2 || i === 200) alive.push([gpu.ledger.buffers, gpu.ledger.bytes, gpu.ledger.peakBytes]);
  }
  expect(alive[1]).toEqual(alive[0]);
  slot.destroy();
  basis.destroy();
  expect([gpu.ledger.buffers, gpu.ledger.bytes]).toEqual([0, 0]);
  gpu.destroy();
});

test("a lost device is an error, not a hang", async () => {
  const gpu = await gpuWith();
  const basis = await filled(mixed, directions(2), family(mixed, 2), gpu);
  const slot = basis.openSlot("cpu");
  gpu.destroy();
  await gpu.whenLost;
  await expect(slot.materialise(row)).rejects.toMatchObject({ code: "device-lost" });
});

describe("a candidate begun ahead", () => {
  const small = makeSpace([{ shape: [193] }, { shape: [32, 64], transposed: true }]);
  const [first, second, third] = [Float64Array.of(1, 0.4, -0.7, 1, 0.3), Float64Array.of(1, 0, 0.5, 0, 0), Float64Array.of(1, 1, 1, 0, 0)];

  test("comes as if it had been asked for then, and leaves what is held alone until it is", async () => {
    const models = family(small, 2);
    const [slot, plain] = [(await filled(small, directions(2), models, await theGpu())).openSlot("cpu"), (await filled(small, directions(2), models, null)).openSlot("cpu")];
    const wants = async (c: Float64Array) => {
      await plain.materialise(c);
      plain.arrays.forEach((weights, s) => expect(largestDifference(slot.arrays[s]!, weights)).toBeLessThanOrEqual(tolerance));
    };
    await slot.materialise(first!);
    slot.ahead!(second!);
    slot.ahead!(third!); // one at a time: the later hint is dropped
    await wants(first!);
    expect(await slot.materialise(second!)).toEqual({ nonFinite: false });
    await wants(second!);
    slot.ahead!(third!);
    await slot.materialise(first!); // something else came in between
    await wants(first!);
    await slot.materialise(third!);
    await wants(third!);
  });

  test("that is not finite is told when it is asked for", async () => {
    const models = family(small, 2);
    const slot = (await filled(small, directions(2), models, await theGpu())).openSlot("cpu");
    slot.ahead!(Float64Array.of(1, Infinity, 0, 0, 0));
    expect(await slot.materialise(first!)).toEqual({ nonFinite: false });
    slot.ahead!(Float64Array.of(1, Infinity, 0, 0, 0));
    expect(await slot.materialise(Float64Array.of(1, Infinity, 0, 0, 0))).toEqual({ nonFinite: true });
  });
});
