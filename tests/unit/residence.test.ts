import { describe, expect, it } from "vitest";
import { Residence } from "../../src/engine/residence.ts";
import { SeededStream } from "../../src/lib/stream.ts";
import { openResidentSwarm } from "../../src/search/pso/resident.ts";
import { openBasis } from "../../src/space/basis.ts";
import type { DirectionSpec, MoveRule, Space } from "../../src/space/types.ts";

const space: Space = {
  length: 12,
  segments: [
    { index: 0, name: "a", shape: [2, 3], transposed: true, length: 6, start: 0, layer: 0 },
    { index: 1, name: "b", shape: [6], transposed: false, length: 6, start: 6, layer: null },
  ],
};
const directions: DirectionSpec[] = [{ kind: "base", id: "base" }, { kind: "dense", id: "one", precision: "f32" }];
const rule: MoveRule = { inertia: 0.2, cognitive: 2, social: 2, random: "element", seed: 5 };

async function ground() {
  const basis = openBasis(space, directions);
  const random = new SeededStream(3, "weights");
  const draw = () => Float32Array.from({ length: 6 }, () => random.gaussian());
  basis.put(0, draw(), [draw()]);
  basis.put(1, draw(), [draw()]);
  await basis.seal();
  return basis;
}

const rows = [Float64Array.of(1, 0), Float64Array.of(1, 1)];

describe("a residence", () => {
  it("is the same swarm after it moved to another device, half way or at the end", async () => {
    const basis = await ground();
    const slot = basis.openSlot("cpu");
    const seen = async (swarm: Residence) => {
      const weights: number[][] = [];
      for (const what of ["x", "pbest"] as const) {
        for (let particle = 0; particle < 2; particle++) {
          await swarm.show(particle, what, slot);
          weights.push((await slot.read()).flatMap((tensor) => [...tensor]));
        }
      }
      return weights;
    };
    const live = async (lossAfter: number) => {
      const swarm: Residence = new Residence(openResidentSwarm(basis, 2), async (work) => ({ value: await work() }));
      const deeds = [
        () => swarm.start(rows),
        () => swarm.move(1, 1, rule),
        async () => swarm.keep(0),
        () => swarm.move(2, 0, rule),
      ];
      for (const [i, deed] of deeds.entries()) {
        await deed();
        if (i === lossAfter) await swarm.rebuild(openResidentSwarm(basis, 2));
      }
      return seen(swarm);
    };
    const whole = await live(-1);
    expect(whole[0]).not.toEqual(whole[2]);
    for (const lossAfter of [0, 1, 2, 3]) expect(await live(lossAfter)).toEqual(whole);
  });

  it("a move during which the device was lost is made once", async () => {
    const basis = await ground();
    const slot = basis.openSlot("cpu");
    let losing = false;
    const swarm: Residence = new Residence(openResidentSwarm(basis, 2), async (work) => {
      if (!losing) return { value: await work() };
      losing = false;
      await swarm.rebuild(openResidentSwarm(basis, 2));
      return "rebuilt";
    });
    await swarm.start(rows);
    losing = true;
    await swarm.move(1, 1, rule);
    await swarm.show(0, "x", slot);
    const after = await slot.read();
    const calm: Residence = new Residence(openResidentSwarm(basis, 2), async (work) => ({ value: await work() }));
    await calm.start(rows);
    await calm.move(1, 1, rule);
    await calm.show(0, "x", slot);
    expect(after).toEqual(await slot.read());
  });
});
