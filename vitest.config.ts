import { playwright } from "@vitest/browser-playwright";
import { defineConfig, mergeConfig } from "vitest/config";
import { findBrowser, flags } from "./tools/browser.mjs";
import { isolation } from "./tools/serve.mjs";
import { shared } from "./tools/vite/shared.mjs";

const executablePath = findBrowser() ?? undefined;

/** Tests of one folder in a browser. Kernels keep one core busy with compiling, threads all of them. */
const inBrowser = (name: "kernels" | "threads") => ({
  extends: true as const,
  // Said beforehand: what is found on the way makes the page load anew in the middle of a test.
  optimizeDeps: { include: ["@huggingface/hub", "@huggingface/transformers", "canonicalize", "comlink", "fast-png", "fflate", "hash-wasm", "idb-keyval", "papaparse", "yaml", "zod"] },
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    globalSetup: "tests/fixtures/hub/setup.ts",
    fileParallelism: false,
    testTimeout: 60_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { ...(executablePath && { executablePath }), args: flags } }),
      instances: [{ browser: "chromium" as const }],
    },
  },
});

export default mergeConfig(
  shared,
  defineConfig({
    server: { headers: isolation },
    test: {
      projects: [
        { extends: true, test: { name: "unit", environment: "node", include: ["tests/unit/**/*.test.ts"] } },
        inBrowser("kernels"),
        inBrowser("threads"),
        {
          extends: true,
          test: {
            name: "e2e",
            environment: "node",
            include: ["tests/e2e/**/*.spec.ts"],
            globalSetup: "tests/e2e/build.ts",
            fileParallelism: false,
            testTimeout: 120_000,
            hookTimeout: 120_000,
          },
        },
      ],
    },
  }),
);
