/** Figures of the hub against one on this machine: a look at two 7B models, and downloads beside a plain fetch of the same file. */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureBrowser, flags } from "../browser.mjs";
import { at, say } from "../house.mjs";
import { openHub } from "../hub/open.mjs";
import { watchMemory } from "./memory.mjs";

const MiB = 2 ** 20;
const fileBytes = 256 * MiB;
const chunkBytes = 4 * MiB;
const throttledRate = 50e6;
const rounds = 3;

/** @type {Record<string, (browser: import("playwright").Browser, url: string) => Promise<object[]>>} */
export const hubBenches = {
  async preflight(browser, url) {
    const dir = mkdtempSync(path.join(tmpdir(), "murmuration-bench-"));
    for (const [name, shards] of /** @type {const} */ ([["bench/base", 3], ["bench/expert", 8]])) putLlama(path.join(dir, name), shards);
    mkdirSync(path.join(dir, "bench/graph/onnx"), { recursive: true });
    writeFileSync(path.join(dir, "bench/graph/onnx/model.onnx"), readFileSync(at("tests/fixtures/onnx/base.onnx")));
    try {
      return await withHub(await browser.newContext(), url, { dir }, async (page, hub) => {
        const { ms, told } = await page.evaluate(([address]) => window.hubBench.preflight(address, "bench/base", ["bench/expert"], "bench/graph"), [hub.url]);
        if (told.fits !== true) throw new Error(`The models should fit: ${JSON.stringify(told.problems)}`);
        const read = hub.log.reduce((sum, row) => sum + row.sent, 0);
        const details = { requests: hub.log.length, parameters: told.shared.parameters };
        return [
          { name: "look at two 7B safetensors repositories (3 and 8 shards)", value: read / 1e6, unit: "MB read", goal: { atMost: 1 }, details },
          { name: "look at two 7B safetensors repositories, time", value: ms / 1000, unit: "s", goal: { atMost: 2 }, details: {} },
        ];
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  },

  async download(_, url) {
    const dir = mkdtempSync(path.join(tmpdir(), "murmuration-bench-"));
    putRandom(path.join(dir, "bench/file"), fileBytes);
    const keep = async (page, hub, storage) => {
      const ms = await page.evaluate(([one, where]) => window.hubBench.kept(one, "bench/file", "model.safetensors", where), [hub.url, storage]);
      await page.evaluate((one) => window.hubBench.forget(one), storage);
      return ms;
    };
    const ratio = async (page, hub) => {
      const times = [];
      for (let round = 0; round < rounds; round++) {
        const plainMs = await page.evaluate((one) => window.hubBench.plain(one), `${hub.url}/bench/file/resolve/main/model.safetensors`);
        times.push({ plainMs, keptMs: await keep(page, hub, `bench-${round}`) });
      }
      const { plainMs, keptMs } = times.sort((a, b) => a.plainMs / a.keptMs - b.plainMs / b.keptMs)[Math.floor(rounds / 2)];
      return { value: plainMs / keptMs, unit: "×", details: { plainMBs: fileBytes / plainMs / 1000, keptMBs: fileBytes / keptMs / 1000, rounds } };
    };
    // Watched apart from the clock; the second download, when code is compiled and buffers are warm.
    const memory = async (page, hub) => {
      await keep(page, hub, "bench-warm");
      const stop = await watchMemory();
      if (!stop) return null;
      await keep(page, hub, "bench-watched");
      return await stop();
    };
    try {
      const rows = [
        { name: "download, verified and cached, speed ÷ plain fetch, server at 50 MB/s", goal: { atLeast: 0.9 }, ...(await onDisk(url, { dir, rate: throttledRate }, ratio)) },
        { name: "download, verified and cached, speed ÷ plain fetch, loopback", goal: { atLeast: 0.35 }, ...(await onDisk(url, { dir }, ratio)) },
      ];
      const grown = await onDisk(url, { dir, rate: throttledRate }, memory);
      if (grown === null) say("Memory of a download is measured on Linux only (/proc).");
      else rows.push({ name: "memory of a download at 50 MB/s above the largest chunk in flight, all processes", value: (grown - chunkBytes) / MiB, unit: "MiB", goal: { atMost: 64 }, details: { fileMiB: fileBytes / MiB, chunkMiB: chunkBytes / MiB } });
      return rows;
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
};

async function withHub(context, url, options, work) {
  const hub = await openHub(options);
  try {
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForFunction("window.hubBench");
    return await work(page, hub);
  } finally {
    await context.close();
    await hub.close();
  }
}

/** In a browser with a profile on the disk: without one IndexedDB is in memory, and so would be all that is "kept". */
async function onDisk(url, options, work) {
  const { chromium } = await import("playwright");
  const profile = mkdtempSync(path.join(tmpdir(), "murmuration-profile-"));
  try {
    return await withHub(await chromium.launchPersistentContext(profile, { executablePath: ensureBrowser(), args: flags }), url, options, work);
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Random bytes under a safetensors name, their digest told beforehand. */
function putRandom(folder, bytes) {
  mkdirSync(folder, { recursive: true });
  const hash = createHash("sha256");
  const handle = openSync(path.join(folder, "model.safetensors"), "w");
  for (let written = 0; written < bytes; written += 16 * MiB) {
    const part = randomBytes(Math.min(16 * MiB, bytes - written));
    hash.update(part);
    writeSync(handle, part);
  }
  closeSync(handle);
  writeFileSync(path.join(folder, ".hub.json"), JSON.stringify({ digests: { "model.safetensors": hash.digest("hex") } }));
}

/** Headers of a Llama of 7B over holes, with digests that nobody could compute in a bench's time. */
function putLlama(folder, shards) {
  const [width, inner, vocabulary] = [4096, 11_008, 32_000];
  const layer = (i) =>
    Object.entries({ input_layernorm: [width], "mlp.down_proj": [width, inner], "mlp.gate_proj": [inner, width], "mlp.up_proj": [inner, width], post_attention_layernorm: [width], "self_attn.k_proj": [width, width], "self_attn.o_proj": [width, width], "self_attn.q_proj": [width, width], "self_attn.v_proj": [width, width] }).map(
      ([name, shape]) => [`model.layers.${i}.${name}.weight`, shape],
    );
  const all = [["model.embed_tokens.weight", [vocabulary, width]], ...Array.from({ length: 32 }, (_, i) => layer(i)).flat(), ["model.norm.weight", [width]], ["lm_head.weight", [vocabulary, width]]];
  mkdirSync(folder, { recursive: true });
  const digests = {};
  for (let i = 0; i < shards; i++) {
    let end = 0;
    const entries = all.slice(Math.floor((i * all.length) / shards), Math.floor(((i + 1) * all.length) / shards)).map(([name, shape]) => {
      const begin = end;
      end += 2 * shape.reduce((a, b) => a * b, 1);
      return [name, { dtype: "BF16", shape, data_offsets: [begin, end] }];
    });
    const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    const file = `model-${String(i + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;
    const handle = openSync(path.join(folder, file), "w");
    writeSync(handle, Buffer.concat([length, json]));
    ftruncateSync(handle, 8 + json.length + end);
    closeSync(handle);
    digests[file] = String(i).padStart(64, "0");
  }
  writeFileSync(path.join(folder, ".hub.json"), JSON.stringify({ digests }));
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ model_type: "llama", num_hidden_layers: 32, hidden_size: width, vocab_size: vocabulary }));
}
