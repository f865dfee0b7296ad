import { describe, expect, test } from "vitest";
import { moveUniform } from "../../src/lib/rules.ts";
import { openResidentSwarm } from "../../src/search/pso/resident.ts";
import type { Basis, MoveRule, ResidentSwarm } from "../../src/space/types.ts";
import { filled, gpuWith, theGpu } from "./gpu.ts";
import { directions, family, largestDifference, makeSpace } from "./sample.ts";

// 1, 193: no whole vec4; 1024 + 1: a second tile of one element; transposed with odd sides: the checkpoint's element index; 0.
const space = makeSpace([{ shape: [1] }, { shape: [193] }, { shape: [41, 25], transposed: true }, { shape: [0] }, { shape: [1025] }]);
const models = family(space, 2);
const specs = directions(2);
const starts = [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 1]].map((row) => Float64Array.from(row));
const rule = (random: MoveRule["random"]): MoveRule => ({ inertia: 0.2, cognitive: 2, social: 2, random, seed: 2 ** 40 + 7 });
/** Which particle found a better place in a step, and who leads: made up, the same for all. */
const keeps = (step: number) => [step % 5, (3 * step + 1) % 5];
const leader = (step: number) => (2 * step) % 5;

async function sixSteps(swarm: ResidentSwarm, random: MoveRule["random"]) {
  await swarm.start(starts);
  for (let step = 1; step <= 6; step++) {
    await swarm.move(step, leader(step), rule(random));
    for (const particle of keeps(step)) swarm.keep(particle);
  }
}

async function weights(basis: Basis, swarm: ResidentSwarm, what: "x" | "pbest") {
  const slot = basis.openSlot("cpu");
  const all: number[] = [];
  for (let p = 0; p < swarm.particles; p++) {
    expect(await swarm.show(p, what, slot)).toEqual({ nonFinite: false });
    for (const array of slot.arrays) all.push(...array);
  }
  slot.destroy();
  return all;
}

// |x| reaches about 30 in six steps; each step rounds it a few times and steps lengthen earlier errors up to fourfold.
const tolerance = 30 * 2 ** -24 * 256;

describe.each(["scalar", "tensor", "element"] as const)("six moves, %s factors", (random) => {
  test("agree with the CPU twin, and repeat bit for bit", async () => {
    const [onGpu, inMemory] = [await filled(space, specs, models, await theGpu()), await filled(space, specs, models, null)];
    const [swarm, twin] = [openResidentSwarm(onGpu, 5), openResidentSwarm(inMemory, 5)];
    await sixSteps(swarm, random);
    await sixSteps(twin, random);
    const got = { x: await weights(onGpu, swarm, "x"), pbest: await weights(onGpu, swarm, "pbest") };
    for (const what of ["x", "pbest"] as const) {
      expect(largestDifference(got[what], await weights(inMemory, twin, what))).toBeLessThan(tolerance);
    }
    await sixSteps(swarm, random);
    expect(await weights(onGpu, swarm, "x")).toEqual(got.x);
    swarm.destroy();
    onGpu.destroy();
  });

  test("do not depend on how tensors are cut", async () => {
    const small = await gpuWith({ limits: { maxStorageBufferBindingSize: 1 << 13 } });
    const all = [];
    for (const gpu of [small, await theGpu()]) {
      const basis = await filled(space, specs, models, gpu);
      const swarm = openResidentSwarm(basis, 5);
      await sixSteps(swarm, random);
      all.push(await weights(basis, swarm, "x"));
      swarm.destroy();
      basis.destroy();
    }
    expect(all[0]).toEqual(all[1]);
    small.destroy();
  });
});

/** The swarm of coefficients, written out: a row over the basis a particle and segment, moved by the same rule in f64. */
function subspace(random: "scalar" | "tensor"): number[][][] {
  const segments = space.segments.length;
  const make = () => starts.map((row) => space.segments.map(() => [...row]));
  const [x, v, pbest] = [make(), make().map((p) => p.map((row) => row.map(() => 0))), make()];
  for (let step = 1; step <= 6; step++) {
    const lead = pbest[leader(step)]!;
    for (let p = 0; p < starts.length; p++) {
      for (let s = 0; s < segments; s++) {
        const index = random === "tensor" ? s : 0;
        const [r1, r2] = [moveUniform(rule(random).seed, step, p, 0, index), moveUniform(rule(random).seed, step, p, 1, index)];
        for (let d = 0; d < 5; d++) {
          const at = x[p]![s]![d]!;
          v[p]![s]![d] = 0.2 * v[p]![s]![d]! + 2 * r1 * (pbest[p]![s]![d]! - at) + 2 * r2 * (lead[s]![d]! - at);
          x[p]![s]![d] = at + v[p]![s]![d]!;
        }
      }
    }
    for (const p of keeps(step)) pbest[p] = x[p]!.map((row) => [...row]);
  }
  return x;
}

describe.each(["scalar", "tensor"] as const)("with %s factors", (random) => {
  test.each(["webgpu", "cpu"])("the resident swarm walks the path of the coefficients' swarm (%s)", async (backend) => {
    const basis = await filled(space, specs, models, backend === "webgpu" ? await theGpu() : null);
    const swarm = openResidentSwarm(basis, 5);
    await sixSteps(swarm, random);
    const slot = basis.openSlot("cpu");
    const expected: number[] = [];
    for (const particle of subspace(random)) {
      await slot.materialise(Float64Array.from(particle.flat()));
      for (const array of slot.arrays) expected.push(...array);
    }
    // Six steps in f32 against six in f64 and one materialise; all is affine in the starting points, so nothing else differs.
    expect(largestDifference(await weights(basis, swarm, "x"), expected)).toBeLessThan(tolerance);
    slot.destroy();
    swarm.destroy();
    basis.destroy();
  });
});

test("a particle is shown into a slot of the runtime's too, and one that is not finite says so", async () => {
  const basis = await filled(space, specs, models, await theGpu());
  const swarm = openResidentSwarm(basis, 2);
  await swarm.start([Float64Array.of(1, 0, 0, 0, 0), Float64Array.of(1, 1e39, 0, 0, 0)]);
  const slot = basis.openSlot("gpu");
  expect(await swarm.show(0, "x", slot)).toEqual({ nonFinite: false });
  expect(await slot.read()).toEqual(models[0]);
  expect(await swarm.show(1, "pbest", slot)).toEqual({ nonFinite: true });
  await swarm.move(1, 0, rule("scalar"));
  expect(await swarm.show(1, "x", slot)).toEqual({ nonFinite: true });
  expect(await swarm.show(0, "x", slot)).toEqual({ nonFinite: false });
  slot.destroy();
  swarm.destroy();
  basis.destroy();
});
