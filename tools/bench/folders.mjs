/**
 * `npm run merge` of folders as a whole process, on made-up weights: time, and memory above the browser's own. Named in MERGEKIT, a mergekit-yaml
 * merges the same folders in turn with it; the figure is then the ratio of the two.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { at, Plain } from "../house.mjs";
import { watchMemory } from "./memory.mjs";

const experts = ["a", "b", "c"];
const recipes = {
  ties: `merge_method: ties\nbase_model: base\nmodels:\n${experts.map((name) => `  - {model: ${name}, parameters: {weight: 1, density: 0.2}}\n`).join("")}`,
  linear: `merge_method: linear\nmodels:\n${experts.map((name) => `  - {model: ${name}, parameters: {weight: 1}}\n`).join("")}`,
};
/** Llama's shapes. small: about as wide and deep as MiniLM-L6, half of its weights embeddings. large: Llama 3.2 1B with twelve layers. */
const sizes = {
  small: { title: "22M", hidden: 384, inner: 1024, layers: 6, words: 30522, kv: 384, heads: 6, dtypes: ["float32", "bfloat16"], rounds: 2, ties: 0.5, memory: null },
  large: { title: "0.99B", hidden: 2048, inner: 8192, layers: 12, words: 128256, kv: 512, heads: 32, dtypes: ["bfloat16"], rounds: 1, ties: 1, memory: { atMost: 0.5 } },
};
/** Of the large models, what is made of them, and room to spare. */
const largeBytes = 16e9;
const shardBytes = 1e9;

/** Rows for the table, as they are measured. @param {keyof typeof sizes} name */
export async function* folders(name) {
  const size = sizes[name];
  const root = process.env.BENCH_FOLDER ?? tmpdir();
  const { bavail, bsize } = statfsSync(root);
  if (name === "large" && bavail * bsize < largeBytes) throw new Plain(`Models of a billion weights need ${largeBytes / 1e9} GB in ${root}, where ${Math.round((bavail * bsize) / 1e9)} are free. Name another folder in BENCH_FOLDER.`);
  const place = mkdtempSync(path.join(root, "murmuration-bench-"));
  try {
    for (const dtype of size.dtypes) {
      const family = path.join(place, dtype);
      for (const [index, model] of ["base", ...experts].entries()) writeModel(path.join(family, model), index, dtype, size);
      for (const method of Object.keys(recipes)) yield await compared(family, method, dtype, size);
      rmSync(family, { recursive: true });
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function compared(family, method, dtype, { title, rounds, ties, memory: goal }) {
  writeFileSync(path.join(family, `${method}.yml`), recipes[method]);
  const program = process.env.MERGEKIT;
  const merge = (...more) => timed(process.execPath, [at("tools/cli/murmuration.mjs"), "merge", path.join(family, `${method}.yml`), "--out", path.join(family, "ours"), "--force", "--quiet", ...more], family);
  const idle = await merge("--dry-run"); // the browser and the page, headers read and nothing merged
  const [ours, theirs] = [[], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(await merge());
    if (program) theirs.push(await timed(program, [`${method}.yml`, "theirs", "--quiet", "--no-write-model-card"], family));
  }
  const [our, their] = [best(ours), program ? best(theirs) : null];
  const name = `whole process, ${method} of three ${title} models, ${dtype}`;
  const details = { mergeS: our.seconds, ...(their ? { mergekitS: their.seconds } : { mergekit: "not named in MERGEKIT, so not measured" }) };
  const rows = [their ? { name: `${name} ÷ mergekit's`, value: our.seconds / their.seconds, unit: "×", goal: { atMost: method === "ties" ? ties : 1 }, details } : { name, value: our.seconds, unit: "s", goal: null, details }];
  if (our.bytes === null) return rows;
  const memory = { mergeMB: our.bytes / 1e6, idleMB: idle.bytes / 1e6, ...(their ? { mergekitMB: their.bytes / 1e6 } : {}) };
  rows.push({ name: `${name}, memory of all processes above the idle app's`, value: (our.bytes - idle.bytes) / 1e9, unit: "GB", goal: { atMost: 1 }, details: memory });
  if (their) rows.push({ name: `${name}, memory ÷ mergekit's`, value: our.bytes / their.bytes, unit: "×", goal, details: memory });
  return rows;
}

const best = (runs) => [...runs].sort((a, b) => a.seconds - b.seconds)[0];

/** Seconds, and the most memory it and all that came from it had; null where that cannot be told. */
async function timed(program, args, cwd) {
  const stop = await watchMemory();
  const began = performance.now();
  const child = spawn(program, args, { cwd, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HF_HUB_OFFLINE: "1" } });
  let said = "";
  child.stderr.on("data", (bytes) => (said += bytes));
  const code = await new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Plain(`${program} could not be started (${error.code}).`)));
    child.on("close", resolve);
  });
  const seconds = (performance.now() - began) / 1000;
  const bytes = (await stop?.()) ?? null;
  if (code !== 0) throw new Plain(`${path.basename(program)} ended with ${code}: ${said.trim().split("\n").at(-1)}`);
  return { seconds, bytes };
}

/** An expert is the base and a small change. Shards are written a tensor at a time. */
function writeModel(folder, index, dtype, { hidden, inner, layers, words, kv, heads }) {
  const shapes = new Map([["model.embed_tokens.weight", [words, hidden]]]);
  for (let i = 0; i < layers; i++) {
    const put = (name, ...shape) => shapes.set(`model.layers.${i}.${name}.weight`, shape);
    for (const name of ["q_proj", "o_proj"]) put(`self_attn.${name}`, hidden, hidden);
    for (const name of ["k_proj", "v_proj"]) put(`self_attn.${name}`, kv, hidden);
    put("mlp.gate_proj", inner, hidden);
    put("mlp.up_proj", inner, hidden);
    put("mlp.down_proj", hidden, inner);
    for (const name of ["input_layernorm", "post_attention_layernorm"]) put(name, hidden);
  }
  shapes.set("model.norm.weight", [hidden]);
  const bytesEach = dtype === "float32" ? 4 : 2;
  const tensors = [...shapes].map(([name, shape], number) => ({ name, shape, number, bytes: bytesEach * shape.reduce((product, side) => product * side, 1) }));
  const shards = tensors.reduce((list, tensor) => {
    const last = list.at(-1);
    if (last && sum(last) + tensor.bytes <= shardBytes) last.push(tensor);
    else list.push([tensor]);
    return list;
  }, []);
  const named = (i) => (shards.length === 1 ? "model.safetensors" : `model-${String(i + 1).padStart(5, "0")}-of-${String(shards.length).padStart(5, "0")}.safetensors`);
  mkdirSync(folder, { recursive: true });
  const noise = bytesOf(noiseOf(index), dtype);
  shards.forEach((shard, i) => writeShard(path.join(folder, named(i)), shard, dtype, noise));
  if (shards.length > 1) {
    const weight_map = Object.fromEntries(shards.flatMap((shard, i) => shard.map(({ name }) => [name, named(i)])));
    writeFileSync(path.join(folder, "model.safetensors.index.json"), JSON.stringify({ metadata: { total_size: sum(tensors) }, weight_map }));
  }
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({
    architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kv / 64, head_dim: 64,
    vocab_size: words, max_position_embeddings: 512, rms_norm_eps: 1e-5, tie_word_embeddings: true, torch_dtype: dtype,
  }));
}

const sum = (tensors) => tensors.reduce((total, { bytes }) => total + bytes, 0);

function writeShard(file, tensors, dtype, noise) {
  let offset = 0;
  const header = { __metadata__: { format: "pt" } };
  for (const { name, shape, bytes } of tensors) header[name] = { dtype: dtype === "float32" ? "F32" : "BF16", shape, data_offsets: [offset, (offset += bytes)] };
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, " ");
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const handle = openSync(file, "w");
  try {
    put(handle, length, file);
    put(handle, padded, file);
    // Each tensor begins elsewhere in the noise, in all models alike.
    for (const { number, bytes } of tensors) {
      for (let done = 0, from = (number * 4096 * 977) % noise.length; done < bytes; from = 0) {
        const part = noise.subarray(from, Math.min(noise.length, from + bytes - done));
        put(handle, part, file);
        done += part.length;
      }
    }
  } finally {
    closeSync(handle);
  }
}

function put(handle, bytes, file) {
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(handle, bytes, done, bytes.length - done);
    if (written === 0) throw new Plain(`${file} could not be written: the disk is full.`);
    done += written;
  }
}

/** Sums of two uniform numbers: a triangle, near enough to weights for what a merge's time depends on. Of all models the same, and each expert's own change. */
function noiseOf(index) {
  const out = new Float32Array(noiseElements);
  const fill = (seed, scale) => {
    let state = (seed * 2654435761) | 1;
    const next = () => ((state = Math.imul(state, 1664525) + 1013904223) >>> 8) / 2 ** 24;
    for (let i = 0; i < out.length; i++) out[i] += scale * (next() + next() - 1);
  };
  fill(1, 0.05);
  if (index > 0) fill(1000 * index, 0.0025);
  return out;
}

/** Longer than most tensors, and no multiple of a row. */
const noiseElements = 12_000_017;

function bytesOf(floats, dtype) {
  if (dtype === "float32") return Buffer.from(floats.buffer);
  const bits = new Uint32Array(floats.buffer);
  return Buffer.from(Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16).buffer);
}
