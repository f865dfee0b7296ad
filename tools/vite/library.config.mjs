/** The library build: `dist-lib/murmuration.js`, its workers and the runtime beside it, addresses relative to the module. */
import { mergeConfig } from "vite";
import { at } from "../house.mjs";
import { shared } from "./shared.mjs";

/** Vite writes `new Worker(new URL(new URL("x.js", import.meta.url).href, "" + import.meta.url))`: right, but no bundler sees a worker in it. */
const twice = /new URL\(\s*(?:\/\*.*?\*\/\s*)?new URL\(\s*(["'`])([^"'`]+)\1\s*,\s*import\.meta\.url\s*\)\.href\s*,\s*(?:""|''|``)\s*\+\s*import\.meta\.url\s*\)/gs;

/** @type {import("vite").Plugin} */
const plainWorkerAddresses = {
  name: "murmuration:plain-worker-addresses",
  enforce: "post",
  generateBundle(_, bundle) {
    let workers = 0;
    const plain = (code) => code.replace(twice, (_all, _quote, file) => {
      workers += 1;
      return `new URL(${JSON.stringify(file.startsWith(".") ? file : `./${file}`)}, import.meta.url)`;
    });
    for (const file of Object.values(bundle)) {
      if (file.type === "chunk") file.code = plain(file.code);
      // Workers lie there as finished files; those they start themselves are in them.
      else if (/\.m?js$/.test(file.fileName) && !/^assets\/(ort-|pyodide)/.test(file.fileName)) file.source = plain(typeof file.source === "string" ? file.source : new TextDecoder().decode(file.source));
    }
    const started = Object.keys(bundle).filter((file) => /\.worker-[\w-]+\.js$/.test(file)).length;
    if (workers !== started) this.error(`The library should start its ${started} workers by plain addresses, not ${workers} of them.`);
  },
};

export default mergeConfig(shared, {
  publicDir: false, // the zoo is served by whoever uses the library: `createLab({ assets })`
  plugins: [plainWorkerAddresses],
  build: {
    minify: false, // that is for the site that takes it
    rolldownOptions: {
      input: { murmuration: at("src/index.ts") },
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "[name].js", format: "es" },
    },
  },
});
