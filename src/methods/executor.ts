/** Where formulas run: in WebAssembly on the CPU, or as kernels. */
export interface Executor {
  readonly backend: "cpu" | "webgpu";
  destroy(): void;
}
