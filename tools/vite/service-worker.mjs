/** Writes `sw.js` beside the built site: the list of all its files with their digests, then src/sw/sw.ts. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { transformWithOxc } from "vite";
import { at } from "../house.mjs";
import { codePolicy } from "./policy.mjs";

/** Pages only the tools open. */
const notOurs = new Set(["sw.js", "headless.html"]);
/** What the first view needs; the rest (runtime, models) is kept on demand. */
const shell = /\.(html|js|mjs|css|woff2|svg|webmanifest|ico)$/;
const heavy = /(^zoo\/|\bort-|\bpyodide|\bpython_)/;

/** @returns {import("vite").Plugin} */
export function serviceWorker() {
  let outDir = "";
  return {
    name: "murmuration:service-worker",
    apply: "build",
    configResolved(config) {
      outDir = path.resolve(config.root, config.build.outDir);
    },
    // Public files are copied before this hook; they are in no bundle.
    writeBundle: {
      order: "post",
      sequential: true,
      async handler() {
        const files = list(outDir).filter((file) => !notOurs.has(file) && !file.startsWith("assets/headless-"));
        const entries = files.map((file) => [file, digest(path.join(outDir, file)), shell.test(file) && !heavy.test(file)]);
        const source = readFileSync(at("src/sw/sw.ts"), "utf8");
        const { code } = await transformWithOxc(source, "sw.ts", { sourcemap: false });
        writeFileSync(path.join(outDir, "sw.js"), `const FILES = ${JSON.stringify(entries)};\nconst CODE_POLICY = ${JSON.stringify(codePolicy)};\n${code}`);
      },
    },
  };
}

function list(folder, under = "") {
  return readdirSync(path.join(folder, under), { withFileTypes: true }).flatMap((entry) => {
    const name = under ? `${under}/${entry.name}` : entry.name;
    return entry.isDirectory() ? list(folder, name) : [name];
  });
}

const digest = (file) => createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);
