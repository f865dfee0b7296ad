import { afterEach, expect, test, vi } from "vitest";
import { requestDevice } from "../../src/gpu/device.ts";
import { gpuWith } from "./gpu.ts";

afterEach(() => vi.restoreAllMocks());

test("an adapter that is not there at first is asked for again, once", async () => {
  await gpuWith(); // there is one
  const ask = vi.spyOn(navigator.gpu, "requestAdapter").mockResolvedValueOnce(null);
  const gpu = await requestDevice();
  expect(gpu).not.toBeNull();
  expect(ask).toHaveBeenCalledTimes(2);
  gpu?.destroy();
  ask.mockClear().mockResolvedValue(null);
  expect(await requestDevice()).toBeNull();
  expect(ask).toHaveBeenCalledTimes(2);
});

test("what a device finds wrong with a call is heard", async () => {
  const gpu = await requestDevice();
  const heard = new Promise<string>((resolve) => gpu && (gpu.onFault = resolve));
  gpu?.pipeline("good for nothing", "@compute @workgroup_size(1) fn main() { nothing(); }");
  await gpu?.finished(); // calls go to the device with this
  expect(await heard).toMatch(/nothing/);
  gpu?.destroy();
});
