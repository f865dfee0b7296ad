import { playwright } from "@vitest/browser-playwright";
import { defineConfig, mergeConfig } from "vitest/config";
import app from "./vite.config.ts";

/** Flags that give headless Chromium a WebGPU adapter in software; without them `requestAdapter()` is null. */
const args = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

export default mergeConfig(
  app,
  defineConfig({
    test: {
      projects: [
        { extends: true, test: { name: "unit", environment: "node", include: ["tests/unit/**/*.test.ts"] } },
        {
          extends: true,
          test: {
            name: "browser",
            include: ["tests/kernels/**/*.test.ts", "tests/threads/**/*.test.ts"],
            fileParallelism: false,
            testTimeout: 60_000,
            browser: {
              enabled: true,
              headless: true,
              screenshotFailures: false,
              provider: playwright({ launchOptions: { executablePath, args } }),
              instances: [{ browser: "chromium" }],
            },
          },
        },
      ],
    },
  }),
);
