/** Whole merges of folders, from mergekit's file to the files written, against mergekit 0.1.5's own results (tests/fixtures/parity). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { bytesSource } from "../../../src/checkpoint/safetensors/source.ts";
import { parseReport } from "../../../src/recipe/report.ts";
import { folderOf, hubOf, merge, recipeOf, type Files } from "../../fixtures/streaming/local.ts";

const parity = (name: string) => fileURLToPath(new URL(`../../fixtures/parity/${name}`, import.meta.url));
const familyOf = (family: string): Record<string, Files> => Object.fromEntries(["base", "math", "code", "chat", "wide"].map((id) => [`./${id}`, folderOf(parity(`family/${family}/${id}`))]));
const families: Record<string, Record<string, Files>> = { float32: familyOf("float32"), bfloat16: familyOf("bfloat16") };
const yaml = (name: string) => readFileSync(parity(`${name}.yml`), "utf8");
const { cases } = JSON.parse(readFileSync(parity("index.json"), "utf8")) as { cases: Record<string, { family: string; files: string[] }> };

/** Half a unit of bfloat16's last place at the size of these weights counts as equal; float32 what the goal allows. */
async function compare(name: string, merged: Awaited<ReturnType<typeof merge>>) {
  const wanted = await openSafetensors([{ path: `${name}.safetensors`, source: bytesSource(new Uint8Array(readFileSync(parity(`${name}.safetensors`)))) }], { model: name });
  let compared = 0;
  for (const tensor of wanted.tensors) {
    const ours = merged.checkpoint.get(tensor.name);
    expect(ours, tensor.name).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
    const [got, want] = [await merged.checkpoint.readF32(tensor.name), await wanted.readF32(tensor.name)];
    const allowed = (value: number) => (tensor.dtype === "F32" ? 2e-6 * Math.max(1, Math.abs(value)) : 1.001 * 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -14))) - (tensor.dtype === "BF16" ? 7 : 10)));
    want.forEach((value, i) => {
      if (!(Math.abs(got[i]! - value) <= allowed(value))) expect.fail(`${tensor.name}[${i}] is ${got[i]} instead of ${value}`);
    });
    compared += want.length;
  }
  expect(compared).toBeGreaterThan(0);
}

// None selects among equals: what those give is anybody's choice (methods.parity.test.ts knows which).
describe("what mergekit gives", () => {
  test.for([
    "linear", "linear-bf16", "linear-with-base", "task-arithmetic-lambda-bf16", "ties-dense", "slerp-0.25", "nuslerp-base-rows", "karcher-bf16", "model-stock-filter-wise", "nearswap", "ram", "multislerp-base",
    "gradient-filters", "gradient-switch", "frankenmerge", "frankenmerge-scale", "slices-uneven", "linear-float16", "slerp-float16",
    "tokenizer-base", "tokenizer-wide-base", "tokenizer-wide-wide",
  ])("%s", async (name) => {
    const { family, files } = cases[name]!;
    const folders = families[family]!;
    const merged = await merge(folders, { recipe: recipeOf(yaml(name), folders) });
    await compare(name, merged);
    const theirs = files.filter((file) => !/README|mergekit_config/.test(file));
    expect([...merged.bytes.keys()]).toEqual(expect.arrayContaining(theirs));
  });
});

describe("memory", () => {
  // Too little for any tensor to be kept: every pass reads windows anew, and rows are gathered from windows that come and go.
  test.for(["ties-dense", "tokenizer-wide-base"])("%s is the same bit by bit in one thread and with hardly any", async (name) => {
    const folders = families[cases[name]!.family]!;
    const recipe = recipeOf(yaml(name), folders);
    const [wide, narrow] = await Promise.all([merge(folders, { recipe }), merge(folders, { recipe, memoryBytes: 96 * 2 ** 20 }, { threads: 1 })]);
    expect(narrow.report.runs[0]!.digest).toBe(wide.report.runs[0]!.digest);
  });

  test("too little for a merge is said before anything is read", async () => {
    const folders = families.float32!;
    await expect(merge(folders, { recipe: recipeOf(yaml("linear"), folders), memoryBytes: 2 ** 20 })).rejects.toMatchObject({ code: "out-of-memory" });
  });
});

describe("what is written", () => {
  test("shards of a chosen size: the index names each tensor's, and they load", async () => {
    const folders = families.float32!;
    const recipe = recipeOf(yaml("linear"), folders);
    const [whole, sharded] = await Promise.all([merge(folders, { recipe }), merge(folders, { recipe, shardBytes: 8000 })]);
    const index = JSON.parse(new TextDecoder().decode(sharded.bytes.get("model.safetensors.index.json"))) as { metadata: { total_size: number }; weight_map: Record<string, string> };
    const shards = [...new Set(Object.values(index.weight_map))];
    expect(shards.length).toBeGreaterThan(2);
    expect([...sharded.bytes.keys()].filter((name) => name.endsWith(".safetensors")).sort()).toEqual(shards.sort());
    expect(sharded.checkpoint.tensors.map(({ name, file }) => [name, file])).toEqual(expect.arrayContaining(Object.entries(index.weight_map)));
    for (const { name } of whole.checkpoint.tensors) expect(await sharded.checkpoint.readRaw(name)).toEqual(await whole.checkpoint.readRaw(name));
  });

  test("a report that its own schema takes: files with digests, bytes, method, warnings with a count", async () => {
    const folders = families.float32!;
    const { report, bytes, events } = await merge(folders, { recipe: recipeOf(yaml("ties"), folders) });
    expect(parseReport(report)).toMatchObject({ runs: [{ id: "ties", method: "ties", digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) }], scores: {} });
    for (const { path, bytes: length, sha256 } of report.files) {
      expect(bytes.get(path)?.length).toBe(length);
      expect(createHash("sha256").update(bytes.get(path)!).digest("hex")).toBe(sha256);
    }
    // math's δ is zero in one tensor of the family.
    expect(report.warnings).toContainEqual(expect.objectContaining({ code: "expert-equals-base", tensors: 1, details: { tensors: ["model.layers.0.self_attn.k_proj.weight"] } }));
    expect(report.cost).toMatchObject({ writeBytes: expect.any(Number), readBytes: expect.any(Number) });
    expect(events.at(-1)).toEqual({ type: "done" });
    expect(events.filter(({ type }) => type === "merging").at(-1)).toMatchObject({ share: 1, secondsLeft: 0 });
  });

  test("a recipe that says digests is held to them", async () => {
    const folders = families.float32!;
    const recipe = recipeOf(yaml("linear"), folders);
    const [first, ...rest] = recipe.experts;
    const right = createHash("sha256").update(folders["./math"]!["model.safetensors"]!).digest("hex");
    const say = (sha256: string) => ({ ...recipe, experts: [{ ...first!, sha256: { "model.safetensors": sha256 } }, ...rest] });
    await merge(folders, { recipe: say(right) });
    await expect(merge(folders, { recipe: say("0".repeat(64)) })).rejects.toMatchObject({ code: "digest-mismatch", message: expect.stringContaining("math") });
  });
});

describe("what goes wrong says file and tensor", () => {
  const folders = families.float32!;
  const wide = families.float32!["./wide"]!;
  const linear = "merge_method: linear\nmodels:\n- {model: math, parameters: {weight: 1}}\n- {model: other, parameters: {weight: 1}}\n";
  const withOther = (other: Files) => ({ ...folders, "./other": other });
  const failing = (other: Files, text = linear) => merge(withOther(other), { recipe: recipeOf(text, withOther(other)) });

  test("a truncated shard", async () => {
    const [name, bytes] = Object.entries(wide).find(([file]) => file.startsWith("model-00002"))!;
    await expect(failing({ ...wide, [name]: bytes.slice(0, -4) })).rejects.toMatchObject({ code: "bad-safetensors", message: expect.stringMatching(new RegExp(`${name}.*cut short`)) });
  });

  test("a missing shard", async () => {
    const { "model-00002-of-00002.safetensors": _, ...rest } = wide;
    await expect(failing(rest)).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("model-00002-of-00002.safetensors") });
  });

  test("shapes that differ", async () => {
    await expect(failing(wide)).rejects.toMatchObject({ code: "shape-mismatch", message: expect.stringContaining("model.embed_tokens.weight") });
  });

  test("a file that cannot be read any more", async () => {
    const hub = hubOf(folders);
    const gone = { ...hub, place: async (reference: string, name: string) => ({ ...(await hub.place(reference, name)), ...(reference === "./code" ? { blob: new Gone([folders["./code"]![name]!]) } : {}) }) };
    const going = merge(folders, { recipe: recipeOf(yaml("linear"), folders) }, { hub: gone });
    await expect(going).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("./code/model.safetensors"), details: { tensor: expect.any(String), files: expect.arrayContaining(["./code/model.safetensors"]) } });
  });
});

/** Its header can be read; then somebody removes the file. */
class Gone extends Blob {
  override slice(begin?: number, end?: number): Blob {
    return (begin ?? 0) === 0 ? super.slice(begin, end) : ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotFoundError")), stream: () => new ReadableStream({ type: "bytes", start: (controller) => controller.error(new DOMException("gone", "NotFoundError")) }) } as unknown as Blob);
  }
}
