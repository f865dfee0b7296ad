import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { hex } from "../../../src/lib/bytes.ts";
import { isLabError, type LabError } from "../../../src/lib/error.ts";
import { bitsOf, bytesOf, expected, fileOf, inMemory } from "../../fixtures/safetensors/load.ts";

const open = (files: Parameters<typeof inMemory>[0]) => openSafetensors(inMemory(files), { model: "a folder" });
const nan = (bits: number) => ((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits);

async function refusal(promise: Promise<unknown>): Promise<LabError> {
  const error = await promise.then(() => null, (thrown: unknown) => thrown);
  if (isLabError(error)) return error;
  throw new Error(`was not refused with a sentence: ${String(error)}`);
}

const f32 = (shape: number[], ...data_offsets: number[]) => ({ dtype: "F32", shape, data_offsets });

describe("files of the reference implementation", () => {
  test.for(Object.keys(expected))("%s: the bytes and the numbers that numpy sees", async (path) => {
    const checkpoint = await open({ [path]: bytesOf(path) });
    expect(checkpoint.tensors.map(({ name }) => name).sort()).toEqual(Object.keys(expected[path] ?? {}).sort());
    for (const [name, { shape, hex: stored, f32 }] of Object.entries(expected[path] ?? {})) {
      expect(checkpoint.get(name)?.shape).toEqual(shape);
      expect(hex(await checkpoint.readRaw(name))).toBe(stored);
      if (f32) expect(bitsOf(await checkpoint.readF32(name))).toEqual(f32.map(nan));
      else expect((await refusal(checkpoint.readF32(name))).message).toContain(checkpoint.get(name)?.dtype);
    }
  });

  test("a range of elements is that range, also into an array that is larger", async () => {
    const checkpoint = await open({ "kinds.safetensors": bytesOf("kinds.safetensors") });
    for (const dtype of ["F64", "F32", "F16", "BF16"]) {
      const all = bitsOf(await checkpoint.readF32(`floats.${dtype}`));
      for (const [from, to] of [[0, 20], [3, 8], [7, 7], [19, 20]] as const) {
        const into = new Float32Array(30).fill(7);
        const got = await checkpoint.readF32(`floats.${dtype}`, from, to, into);
        expect(bitsOf(got)).toEqual(all.slice(from, to));
        expect(got.buffer).toBe(into.buffer);
        expect([...into.subarray(to - from)]).toEqual(Array(30 - to + from).fill(7));
        expect(bitsOf(await checkpoint.readF32(`floats.${dtype}`, from, to))).toEqual(all.slice(from, to));
      }
    }
    expect((await refusal(checkpoint.readF32("floats.F32", 0, 21))).code).toBe("internal");
  });

  test("bytes that lie off whole words are read all the same", async () => {
    const file = bytesOf("kinds.safetensors");
    for (const shift of [1, 2, 3]) {
      const moved = new Uint8Array(file.length + shift);
      moved.set(file, shift);
      const checkpoint = await open({ "kinds.safetensors": moved.subarray(shift) });
      for (const dtype of ["F64", "F32", "F16", "BF16"]) {
        expect(bitsOf(await checkpoint.readF32(`floats.${dtype}`))).toEqual(expected["kinds.safetensors"]?.[`floats.${dtype}`]?.f32?.map(nan));
      }
    }
  });

  test("metadata is told", async () => {
    expect([...(await open({ "kinds.safetensors": bytesOf("kinds.safetensors") })).metadata]).toEqual([["made by", 'the "reference"']]);
    expect((await open({ "a.safetensors": bytesOf("no-metadata.safetensors") })).metadata.size).toBe(0);
  });
});

describe("a damaged or hostile file is refused in a sentence that names it", () => {
  const two = (a: object, b: object) => ({ a, b });
  const cases: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
    ["empty", new Uint8Array(0), /is empty/],
    ["five bytes", new Uint8Array(5), /only 5 bytes/],
    ["a header larger than the file", fileOf({}, 0, 900n), /10 bytes, fewer than the header of 900/],
    ["a header of 26 MB", fileOf({}, 0, 26_000_000n), /26000000 bytes, more than the 25 MB/],
    ["a header of 2⁶⁴ bytes", fileOf({}, 0, 2n ** 64n - 1n), /more than the 25 MB/],
    ["a cut header", fileOf('{"a":{"dtype":"F32"', 0), /comma or }, but there is nothing more/],
    ["no JSON", fileOf("{nonsense}", 0), /text in quotes, but there is "nonsense}"/],
    ["a list", fileOf("[]", 0), /an object/],
    ["something after the header", fileOf("{} {}", 0), /its end/],
    ["no UTF-8", fileOf('{"\u0001', 0).fill(0xff, 9, 10), /no UTF-8/],
    ["half a pair", fileOf('{"\\ud800":{}}', 0), /no Unicode/],
    ["a bad escape", fileOf('{"\\x":{}}', 0), /not written as JSON/],
    ["a name twice", fileOf(`{"a":${JSON.stringify(f32([1], 0, 4))},"a":${JSON.stringify(f32([1], 4, 8))}}`, 8), /"a" stands in it twice/],
    ["a name twice, once escaped", fileOf(`{"a":${JSON.stringify(f32([1], 0, 4))},"\\u0061":${JSON.stringify(f32([1], 4, 8))}}`, 8), /"a" stands in it twice/],
    ["a field twice", fileOf('{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}', 4), /"dtype" stands in it twice/],
    ["a tensor that is a text", fileOf({ a: "F32" }, 0), /an object/],
    ["metadata that is no text", fileOf({ __metadata__: { format: 1 } }, 0), /text in quotes/],
    ["no dtype", fileOf({ a: { shape: [1], data_offsets: [0, 4] } }, 4), /about "a": it has no dtype/],
    ["no shape", fileOf({ a: { dtype: "F32", data_offsets: [0, 4] } }, 4), /about "a": it has no shape/],
    ["no offsets", fileOf({ a: { dtype: "F32", shape: [1] } }, 4), /about "a": it has no two data_offsets/],
    ["one offset", fileOf({ a: f32([1], 0) }, 4), /no two data_offsets/],
    ["three offsets", fileOf({ a: f32([1], 0, 4, 8) }, 8), /"a" more than two data_offsets/],
    ["an unknown type", fileOf({ a: { dtype: "F128", shape: [1], data_offsets: [0, 16] } }, 16), /"a" as "F128"/],
    ["a type of the prototype", fileOf({ a: { dtype: "constructor", shape: [1], data_offsets: [0, 16] } }, 16), /"a" as "constructor"/],
    ["a negative dim", fileOf({ a: f32([-1], 0, 4) }, 4), /whole number/],
    ["half a dim", fileOf({ a: f32([1.5], 0, 4) }, 4), /whole number/],
    ["NaN", fileOf('{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', 4), /whole number/],
    ["an exponent", fileOf('{"a":{"dtype":"F32","shape":[1e2],"data_offsets":[0,400]}}', 400), /whole number/],
    ["a dim of 2⁵³", fileOf('{"a":{"dtype":"F32","shape":[9007199254740992],"data_offsets":[0,4]}}', 4), /whole number/],
    ["a product past counting", fileOf({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), /no countable number/],
    ["a product past counting, times nothing", fileOf({ a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }, 0), /no countable number/],
    ["three nibbles", fileOf({ a: { dtype: "F4", shape: [3], data_offsets: [0, 2] } }, 2), /no countable number/],
    ["65 dims", fileOf({ a: f32(Array(65).fill(1) as number[], 0, 4) }, 4), /"a" more than 64/],
    ["a shape that does not fill its place", fileOf({ a: f32([2, 3], 0, 20) }, 20), /F32 of shape 2×3 needs 24 bytes, but its place has 20/],
    ["an end before the beginning", fileOf({ a: f32([1], 8, 4) }, 8), /ends \(4\) before it begins \(8\)/],
    ["offsets past the file", fileOf({ a: f32([4], 0, 16) }, 12), /"a" reaches to byte \d+: the file is cut short/],
    ["offsets far past the file", fileOf({ a: f32([2 ** 46], 0, 2 ** 48) }, 12), /the file is cut short/],
    ["bytes of nobody", fileOf({ a: f32([1], 0, 4) }, 5), /1 bytes after its last tensor/],
    ["an overlap", fileOf(two(f32([2], 0, 8), f32([1], 4, 8)), 8), /about "b": it overlaps "a"/],
    ["the same place twice", fileOf(two(f32([2], 0, 8), f32([2], 0, 8)), 8), /overlaps/],
    ["a gap", fileOf(two(f32([1], 0, 4), f32([1], 8, 12)), 12), /about "b": it leaves a gap of 4 bytes after "a"/],
    ["a gap at the start", fileOf({ a: f32([1], 4, 8) }, 8), /gap of 4 bytes after the header/],
    ["a thousand brackets", fileOf(`{"a":{"extra":${"[".repeat(1000)}`, 0), /nested more than 32 deep/],
    ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:00"), /Git LFS pointer/],
    ["a web page", new TextEncoder().encode("<!doctype html><title>404</title>"), /web page/],
    ["a PyTorch archive", Uint8Array.from([0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0]), /ZIP archive.*model\.safetensors/],
    ["a pickle", Uint8Array.from([0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]), /pickle/],
    ["GGUF", new TextEncoder().encode("GGUF\u0003\0\0\0\0\0\0\0"), /GGUF/],
    ["ONNX", Uint8Array.from([8, 8, 0x12, 7, 112, 121, 116, 111, 114, 99, 104]), /ONNX file, not safetensors/],
  ];

  test.for(cases)("%s", async ([, bytes, says]) => {
    const { code, message } = await refusal(open({ "expert/model.safetensors": bytes }));
    expect(code).toMatch(/^(bad|unsupported)-safetensors$/);
    expect(message).toMatch(says);
    expect(message).toMatch(/^expert\/model\.safetensors .*\.$/s);
  });

  test("25 MB of brackets cost neither memory nor time", async () => {
    const started = performance.now();
    expect((await refusal(open({ "model.safetensors": fileOf("[".repeat(24_000_000), 0) }))).message).toMatch(/an object/);
    expect((await refusal(open({ "model.safetensors": fileOf(`{"${"\\".repeat(24_000_000)}`, 0) }))).message).toMatch(/the end of a text/);
    expect(performance.now() - started).toBeLessThan(10_000); // a second, but for a busy machine
  }, 30_000);

  test("__proto__ is a name like any other", async () => {
    const checkpoint = await open({ "model.safetensors": fileOf(`{"__proto__":${JSON.stringify(f32([1], 0, 4))}}`, 4) });
    expect(checkpoint.get("__proto__")?.shape).toEqual([1]);
    expect(({} as Record<string, unknown>)["dtype"]).toBeUndefined();
  });

  test("fields of tomorrow are passed over", async () => {
    const checkpoint = await open({ "model.safetensors": fileOf({ a: { ...f32([1], 0, 4), more: [{ x: null, y: [-1.5e3, true, "]"] }] } }, 4) });
    expect(checkpoint.tensors).toHaveLength(1);
  });

  test("a long name is cut in the message", async () => {
    const { message } = await refusal(open({ "model.safetensors": fileOf({ ["n".repeat(100_000)]: f32([2], 0, 4) }, 4) }));
    expect(message.length).toBeLessThan(400);
  });

  test("whatever is done to a header, it opens or is refused in a sentence; what opens can be read", async () => {
    const file = bytesOf("kinds.safetensors");
    const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    const change = fc.record({ at: fc.nat(headerEnd - 1), to: fc.oneof(fc.nat(255), fc.constantFrom(...new TextEncoder().encode('{}[]",:0123456789\\'))) });
    let opened = 0;
    await fc.assert(fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(file.length)), async (changes, cut) => {
      const bad = file.slice(0, cut ?? file.length);
      for (const { at, to } of changes) if (at < bad.length) bad[at] = to;
      try {
        const checkpoint = await open({ "model.safetensors": bad });
        for (const { name, bytes } of checkpoint.tensors) expect(await checkpoint.readRaw(name)).toHaveLength(bytes);
        opened++;
      } catch (error) {
        if (!isLabError(error)) throw error;
        expect(error.message).toMatch(/^model\.safetensors .*\.$/s);
      }
    }), { numRuns: 3000 });
    expect(opened).toBeGreaterThan(0); // a letter of a name
  }, 30_000);
});

describe("the files of a folder", () => {
  const sharded = Object.fromEntries(
    ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"].map((path) => [path, bytesOf(`sharded/${path}`)]),
  ) as Record<string, Uint8Array<ArrayBuffer>>;
  const index = (weight_map: unknown) => JSON.stringify({ metadata: { total_size: 1 }, weight_map });
  const one = (name: string) => fileOf({ [name]: f32([1], 0, 4) }, 4);

  test("shards are one checkpoint, in order", async () => {
    const checkpoint = await open({ "README.md": "# hello", ...sharded });
    expect(checkpoint.tensors.map(({ name, file }) => [name, file])).toEqual([
      ["layer.0.weight", "model-00001-of-00002.safetensors"], ["layer.1.weight", "model-00001-of-00002.safetensors"], ["layer.2.weight", "model-00002-of-00002.safetensors"],
    ]);
    const { f32: bits } = expected["sharded/model-00002-of-00002.safetensors"]?.["layer.2.weight"] ?? {};
    expect(bitsOf(await checkpoint.readF32("layer.2.weight"))).toEqual(bits);
    expect(checkpoint.metadata.get("format")).toBe("pt");
  });

  test("what is taken: the index, then model.safetensors, then the only file; the highest folder first", async () => {
    const files = async (given: Parameters<typeof open>[0]) => [...new Set((await open(given)).tensors.map(({ file }) => file))];
    expect(await files({ ...sharded, "model.safetensors": one("a") })).toHaveLength(2);
    expect(await files({ "adapter.safetensors": one("b"), "model.safetensors": one("a") })).toEqual(["model.safetensors"]);
    expect(await files({ "unet.safetensors": one("a") })).toEqual(["unet.safetensors"]);
    expect(await files({ "x.safetensors.index.json": index({ a: "1.safetensors" }), "1.safetensors": one("a") })).toEqual(["1.safetensors"]);
    expect(await files({ "model.safetensors": one("a"), "old/model.safetensors": one("b") })).toEqual(["model.safetensors"]);
    expect(await files({ "deep/model.safetensors.index.json": index({ a: "1.safetensors" }), "deep/1.safetensors": one("a") })).toEqual(["deep/1.safetensors"]);
  });

  test("a tensor that only a shard names is no part of the model, and told", async () => {
    const shard = fileOf({ a: f32([1], 0, 4), b: f32([1], 4, 8) }, 8);
    const checkpoint = await open({ "model.safetensors.index.json": index({ a: "1.safetensors" }), "1.safetensors": shard });
    expect([checkpoint.tensors.map(({ name }) => name), checkpoint.unlisted]).toEqual([["a"], ["b"]]);
  });

  const [first = new Uint8Array(0), second = new Uint8Array(0)] = Object.values(sharded);
  const wrong: [string, Parameters<typeof open>[0], RegExp][] = [
    ["nothing", { "config.json": "{}" }, /no safetensors file in a folder/],
    ["only pickles", { "pytorch_model.bin": "x" }, /pytorch_model\.bin is a Python pickle/],
    ["two files and no index", { "a.safetensors": one("a"), "b.safetensors": one("b") }, /2 safetensors files \(a\.safetensors, b\.safetensors\)/],
    ["a missing shard", { ...sharded, "model-00002-of-00002.safetensors": "" }, /^model-00002-of-00002\.safetensors is empty/],
    ["a shard that is not there", { "model-00001-of-00002.safetensors": first, "model.safetensors.index.json": sharded["model.safetensors.index.json"] ?? "" }, /index\.json names model-00002-of-00002\.safetensors, which is missing/],
    ["a shard outside the folder", { "model.safetensors.index.json": index({ a: "../../secret.safetensors" }) }, /\.\.\/\.\.\/secret\.safetensors, which is missing/],
    ["a shard without its tensor", { ...sharded, "model-00002-of-00002.safetensors": one("other") }, /"layer\.2\.weight" lies in model-00002-of-00002\.safetensors, but that file has no such tensor/],
    ["a tensor in two shards", { ...sharded, "model-00002-of-00002.safetensors": fileOf({ "layer.2.weight": f32([1], 0, 4), "layer.0.weight": f32([1], 4, 8) }, 8) }, /"layer\.0\.weight" lies in two shards, model-00001-of-00002\.safetensors and model-00002-of-00002\.safetensors/],
    ["a tensor in the wrong shard", { "model.safetensors.index.json": index({ a: "2.safetensors", b: "1.safetensors" }), "1.safetensors": one("a"), "2.safetensors": one("b") }, /"a" lies in 2\.safetensors, but it lies in 1\.safetensors/],
    ["an index that is no JSON", { ...sharded, "model.safetensors.index.json": "{" }, /index\.json cannot be read/],
    ["an index that is a list", { ...sharded, "model.safetensors.index.json": "[]" }, /index\.json cannot be read.*an object/],
    ["an index that is a web page", { ...sharded, "model.safetensors.index.json": "<html>" }, /index\.json is a web page/],
    ["an index that is a pointer", { ...sharded, "model.safetensors.index.json": "version https://git-lfs.github.com/spec/v1" }, /Git LFS pointer/],
    ["an index without weight_map", { ...sharded, "model.safetensors.index.json": '{"metadata":{}}' }, /no weight_map/],
    ["an index with numbers for files", { ...sharded, "model.safetensors.index.json": '{"weight_map":{"a":1}}' }, /text in quotes/],
    ["an index with a tensor twice", { ...sharded, "model.safetensors.index.json": '{"weight_map":{"a":"x","a":"y"}}' }, /"a" stands in it twice/],
    ["a damaged shard", { ...sharded, "model-00002-of-00002.safetensors": second.subarray(0, 100) }, /^model-00002-of-00002\.safetensors .*cut short/],
  ];

  test.for(wrong)("%s", async ([, files, says]) => {
    expect((await refusal(open(files))).message).toMatch(says);
  });
});
