/** The page `npm run bench` opens: each measurement by name, on a device of its own. */
import { requestDevice, type Gpu } from "../../src/gpu/device.ts";
import * as kernels from "./kernels.ts";
import type { BenchRow } from "./kernels.ts";
import { benchMethods } from "./methods.ts";
import { benchCandidate, benchQuick, benchScoring } from "./scoring.ts";
import { benchGeneration } from "./texts.ts";

const assets = new URL("./", document.baseURI);

const benches = {
  materialise: (gpu: Gpu) => kernels.benchMaterialise(gpu),
  update: (gpu: Gpu) => kernels.benchUpdate(gpu),
  memory: (gpu: Gpu) => kernels.benchMemory(gpu),
  turnaround: (gpu: Gpu) => kernels.benchTurnaround(gpu),
  methods: (gpu: Gpu) => benchMethods(gpu),
  "candidate-wasm": (gpu: Gpu) => benchCandidate("wasm", gpu, assets),
  "candidate-webgpu": (gpu: Gpu) => benchCandidate("webgpu", gpu, assets),
  "scoring-wasm": (gpu: Gpu) => benchScoring("wasm", gpu, assets, 50, 40),
  "scoring-quick-wasm": (gpu: Gpu) => benchQuick("wasm", gpu, assets),
  "scoring-quick-webgpu": (gpu: Gpu) => benchQuick("webgpu", gpu, assets, gpu.adapter.isFallback ? 10 : 150),
  generation: () => benchGeneration(assets),
  // A software adapter scores forty times slower: fewer, smaller runs there.
  "scoring-webgpu": (gpu: Gpu) => benchScoring("webgpu", gpu, assets, gpu.adapter.isFallback ? 10 : 50, gpu.adapter.isFallback ? 7 : 40),
} satisfies Record<string, (gpu: Gpu) => Promise<BenchRow[]>>;

const bench = {
  names: Object.keys(benches),
  async adapter(): Promise<string> {
    const gpu = await requestDevice();
    const { vendor, architecture, description, isFallback } = gpu?.adapter ?? { vendor: "none", architecture: "", description: "", isFallback: true };
    gpu?.device.destroy();
    return `${description || [vendor, architecture].filter(Boolean).join(" ")}${isFallback ? " (software)" : ""}`;
  },
  async run(name: keyof typeof benches): Promise<BenchRow[]> {
    const gpu = await requestDevice();
    if (!gpu) throw new Error("There is no WebGPU adapter.");
    const rows = await benches[name](gpu);
    gpu.device.destroy();
    return rows;
  },
};

declare global {
  interface Window {
    bench: typeof bench;
  }
}
window.bench = bench;
