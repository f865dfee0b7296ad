/** The library build: `dist-lib/murmuration.js`, its workers and the runtime beside it, addresses relative to the module. */
import { mergeConfig } from "vite";
import { at } from "../house.mjs";
import { shared } from "./shared.mjs";

export default mergeConfig(shared, {
  publicDir: false, // the zoo is served by whoever uses the library: `createLab({ assets })`
  build: {
    rolldownOptions: {
      input: { murmuration: at("src/index.ts") },
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "[name].js", format: "es" },
    },
  },
});
