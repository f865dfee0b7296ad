import * as Comlink from "comlink";
import { expect, test } from "vitest";
import { LabError } from "../../src/lib/error.ts";
import { race } from "../../src/threads/cancel.ts";
import { fromWire, toWire } from "../../src/threads/wire.ts";

test("a LabError crosses a thread whole", async () => {
  const { port1, port2 } = new MessageChannel();
  const thrown = new LabError("shape-mismatch", "a is 3×3 but b is 4×4.", { cause: new TypeError("why"), details: { tensors: ["a", "b"] } });
  Comlink.expose({ fail: () => Promise.reject(thrown), say: () => { throw "a word"; } }, port1 as unknown as Comlink.Endpoint);
  const far = Comlink.wrap<{ fail(): number; say(): number }>(port2 as unknown as Comlink.Endpoint);
  const error: unknown = await far.fail().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(LabError);
  expect(error).toMatchObject({ code: "shape-mismatch", message: thrown.message, details: { tensors: ["a", "b"] }, cause: { name: "TypeError", message: "why" } });
  expect(await far.say().catch((e: unknown) => e)).toBe("a word");
  port1.close();
});

test("what cannot be cloned arrives as text", () => {
  const wire = toWire(new LabError("internal", "x", { cause: () => 1, details: { n: 3n } }));
  expect(fromWire(structuredClone(wire))).toMatchObject({ code: "internal", details: { n: 3 }, cause: "() => 1" });
});

test("a chain of causes ends, even one that bites its tail", () => {
  const error = new Error("round");
  error.cause = error;
  expect(fromWire(structuredClone(toWire(error)))).toBeInstanceOf(Error);
});

test("a call loses the race against its signal", async () => {
  const stop = new AbortController();
  const never = race(new Promise<number>(() => undefined), stop.signal);
  stop.abort();
  await expect(never).rejects.toMatchObject({ code: "cancelled" });
  await expect(race(Promise.resolve(1), null)).resolves.toBe(1);
  await expect(race(Promise.resolve(1), stop.signal)).rejects.toMatchObject({ code: "cancelled" });
});
