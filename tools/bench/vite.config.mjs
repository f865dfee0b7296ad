/** The bench pages, built apart from the site. */
import { mergeConfig } from "vite";
import { at } from "../house.mjs";
import { shared } from "../vite/shared.mjs";

export default mergeConfig(shared, { publicDir: false, build: { rolldownOptions: { input: [at("tests/bench/bench.html"), at("tests/bench/hub.html")] } } });
