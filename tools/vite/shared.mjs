/** What the site and the library are built with alike. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { readFileSync } from "node:fs";
import { defaultClientConditions } from "vite";
import { at } from "../house.mjs";
import { policy } from "./policy.mjs";

const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));

/** @type {import("vite").UserConfig} */
export const shared = {
  base: "./", // relative: works under any path
  plugins: [svelte(), policy()],
  define: { __APP_VERSION__: JSON.stringify(version) },
  worker: { format: "es" },
  // "use-extern-wasm": one copy of the runtime, its WASM served by the site itself.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  optimizeDeps: { exclude: ["onnxruntime-web", "pyodide"] },
  build: { target: "es2022", sourcemap: false, chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 },
};
