import { describe, expect, it } from "vitest";
import { Gate } from "../../src/engine/gate.ts";
import { isLabError } from "../../src/lib/error.ts";

function recorded() {
  const events: string[] = [];
  const gate = new Gate({ paused: () => events.push("paused"), resumed: () => events.push("resumed") });
  return { gate, events };
}

/** A loop shaped like a run: iterations of particles of phases of batches; says where it got to. */
async function walk(gate: Gate, seen: string[]): Promise<void> {
  for (let step = 0; step < 3; step++) {
    for (let particle = 0; particle < 2; particle++) {
      await gate.pass(particle === 0 ? "iteration" : "particle");
      seen.push(`${step}.${particle}`);
      await gate.pass("phase");
      for (let batch = 0; batch < 2; batch++) await gate.pass("batch");
    }
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("the gate", () => {
  it("lets a run through that nobody pauses", async () => {
    const { gate, events } = recorded();
    const seen: string[] = [];
    await walk(gate, seen);
    expect(seen).toHaveLength(6);
    expect(events).toEqual([]);
  });

  it("steps by particle and by iteration", async () => {
    const { gate } = recorded();
    const seen: string[] = [];
    gate.pause();
    const done = walk(gate, seen);
    await settled();
    expect(seen).toEqual([]);
    gate.step("particle");
    await settled();
    expect(seen).toEqual(["0.0"]);
    gate.step("particle");
    await settled();
    expect(seen).toEqual(["0.0", "0.1"]);
    gate.step("iteration");
    await settled();
    expect(seen).toEqual(["0.0", "0.1", "1.0", "1.1"]);
    gate.resume();
    await done;
    expect(seen).toHaveLength(6);
  });

  it("pauses between batches and says so at once", async () => {
    const { gate, events } = recorded();
    let batches = 0;
    const done = (async () => {
      for (; batches < 3; batches++) await gate.pass("batch");
    })();
    gate.pause();
    expect(events).toEqual(["paused"]);
    await settled();
    const at = batches;
    await settled();
    expect(batches).toBe(at);
    gate.resume();
    await done;
    expect(events).toEqual(["paused", "resumed"]);
  });

  it("serves guests at a particle's boundary, and at once while paused", async () => {
    const { gate } = recorded();
    let answer = 0;
    const asked = gate.invite(async () => (answer += 1));
    await gate.pass("batch");
    expect(answer).toBe(0);
    await gate.pass("particle");
    expect(await asked).toBe(1);
    gate.pause();
    const held = gate.pass("batch");
    const again = gate.invite(async () => (answer += 1));
    expect(await again).toBe(2);
    expect(gate.served).toBe(2);
    gate.resume();
    await held;
  });

  it("throws when cancelled, also while paused", async () => {
    const { gate } = recorded();
    gate.pause();
    const held = gate.pass("batch").catch((error: unknown) => error);
    gate.cancel();
    expect(isLabError(await held, "cancelled")).toBe(true);
  });

  it("a guest that fails fails alone", async () => {
    const { gate } = recorded();
    const asked = gate.invite(() => Promise.reject(new Error("no")));
    asked.catch(() => undefined);
    await gate.pass("particle");
    await expect(asked).rejects.toThrow("no");
  });
});
