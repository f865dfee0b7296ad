import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, mergeConfig } from "vite";
import { isolation } from "./tools/serve.mjs";
import { docs } from "./tools/vite/docs.mjs";
import { serviceWorker } from "./tools/vite/service-worker.mjs";
import { shared } from "./tools/vite/shared.mjs";

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default mergeConfig(
  shared,
  defineConfig({
    plugins: [docs(), serviceWorker()],
    // headless.html is what the command line opens; visitors never load it.
    build: { rolldownOptions: { input: ["index.html", "headless.html"].map(page).filter((file) => existsSync(file)) } },
    server: { headers: isolation },
    preview: { headers: isolation },
  }),
);
