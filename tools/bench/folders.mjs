/**
 * `npm run merge` of folders as a whole process, on models of 22 million made-up weights: time, and memory above the browser's own. Named in
 * MERGEKIT, a mergekit-yaml merges the same folders in turn with it; the figure is then the ratio of the two.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { at, Plain } from "../house.mjs";
import { watchMemory } from "./memory.mjs";

const experts = ["a", "b", "c"];
const recipes = {
  ties: `merge_method: ties\nbase_model: base\nmodels:\n${experts.map((name) => `  - {model: ${name}, parameters: {weight: 1, density: 0.2}}\n`).join("")}`,
  linear: `merge_method: linear\nmodels:\n${experts.map((name) => `  - {model: ${name}, parameters: {weight: 1}}\n`).join("")}`,
};
const rounds = 2;

/** Rows for the table, as they are measured. */
export async function* folders() {
  const place = mkdtempSync(path.join(tmpdir(), "murmuration-bench-"));
  try {
    for (const dtype of ["float32", "bfloat16"]) {
      const family = path.join(place, dtype);
      for (const [index, name] of ["base", ...experts].entries()) writeModel(path.join(family, name), index, dtype);
      for (const method of Object.keys(recipes)) yield await compared(family, method, dtype);
      rmSync(family, { recursive: true });
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function compared(family, method, dtype) {
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
  const name = `whole process, ${method} of three 22M models, ${dtype}`;
  const details = { mergeS: our.seconds, ...(their ? { mergekitS: their.seconds } : { mergekit: "not named in MERGEKIT, so not measured" }) };
  const rows = [their ? { name: `${name} ÷ mergekit's`, value: our.seconds / their.seconds, unit: "×", goal: { atMost: method === "ties" ? 0.5 : 1 }, details } : { name, value: our.seconds, unit: "s", details }];
  if (our.bytes === null) return rows;
  const memory = { mergeMB: our.bytes / 1e6, idleMB: idle.bytes / 1e6, ...(their ? { mergekitMB: their.bytes / 1e6 } : {}) };
  return [...rows, { name: `${name}, memory of all processes above the idle app's`, value: (our.bytes - idle.bytes) / 1e9, unit: "GB", goal: { atMost: 1 }, details: memory }];
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

/** Llama's shapes, about as wide and deep as MiniLM-L6: 22.3 million weights, half of them embeddings. An expert is the base and a small change. */
function writeModel(folder, index, dtype) {
  const [hidden, inner, layers, words] = [384, 1024, 6, 30522];
  const shapes = new Map([["model.embed_tokens.weight", [words, hidden]]]);
  for (let i = 0; i < layers; i++) {
    const put = (name, ...shape) => shapes.set(`model.layers.${i}.${name}.weight`, shape);
    for (const name of ["q_proj", "k_proj", "v_proj", "o_proj"]) put(`self_attn.${name}`, hidden, hidden);
    put("mlp.gate_proj", inner, hidden);
    put("mlp.up_proj", inner, hidden);
    put("mlp.down_proj", hidden, inner);
    for (const name of ["input_layernorm", "post_attention_layernorm"]) put(name, hidden);
  }
  shapes.set("model.norm.weight", [hidden]);
  const bytesEach = dtype === "float32" ? 4 : 2;
  const parts = [];
  const header = {};
  let offset = 0;
  for (const [name, shape] of shapes) {
    const elements = shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: dtype === "float32" ? "F32" : "BF16", shape, data_offsets: [offset, offset + elements * bytesEach] };
    offset += elements * bytesEach;
    parts.push(bytesOf(values(elements, parts.length, index), dtype));
  }
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: "pt" }, ...header }));
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, " ");
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "model.safetensors"), Buffer.concat([length, padded, ...parts]));
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({
    architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers, num_attention_heads: 6, num_key_value_heads: 6, head_dim: 64,
    vocab_size: words, max_position_embeddings: 512, rms_norm_eps: 1e-5, tie_word_embeddings: true, torch_dtype: dtype,
  }));
  if (statSync(path.join(folder, "model.safetensors")).size < offset) throw new Plain(`${folder} could not be written: the disk is full.`);
}

/** Sums of two uniform numbers: a triangle, near enough to weights for what a merge's time depends on. */
function values(elements, tensor, index) {
  const out = new Float32Array(elements);
  const fill = (seed, scale) => {
    let state = (seed * 2654435761) | 1;
    const next = () => ((state = Math.imul(state, 1664525) + 1013904223) >>> 8) / 2 ** 24;
    for (let i = 0; i < elements; i++) out[i] += scale * (next() + next() - 1);
  };
  fill(tensor + 1, 0.05);
  if (index > 0) fill(1000 * index + tensor, 0.0025);
  return out;
}

function bytesOf(floats, dtype) {
  if (dtype === "float32") return Buffer.from(floats.buffer);
  const bits = new Uint32Array(floats.buffer);
  return Buffer.from(Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16).buffer);
}
