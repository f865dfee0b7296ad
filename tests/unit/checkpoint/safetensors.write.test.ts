import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bitsEach, type Dtype } from "../../../src/checkpoint/safetensors/dtype.ts";
import { layOut, type NewTensor } from "../../../src/checkpoint/safetensors/layout.ts";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { memorySinks, type OpenSink } from "../../../src/checkpoint/safetensors/sink.ts";
import { SafetensorsWriter, type WriterOptions } from "../../../src/checkpoint/safetensors/write.ts";
import { bf16Array, f32FromBf16Array } from "../../../src/lib/bf16.ts";
import { isLabError } from "../../../src/lib/error.ts";
import { f16Array, f32FromF16Array } from "../../../src/lib/f16.ts";
import { bitsOf, bytesOf, expected, inMemory } from "../../fixtures/safetensors/load.ts";

const float32 = (name: string, ...shape: number[]): NewTensor => ({ name, dtype: "F32", shape });

/** Every tensor, in the writer's order, in parts of so many elements. */
async function writeAll(tensors: readonly NewTensor[], values: ReadonlyMap<string, Float32Array | Uint8Array>, options: Omit<WriterOptions, "open"> & { open?: OpenSink } = {}, part = 3) {
  const memory = memorySinks();
  const writer = new SafetensorsWriter(tensors, { open: memory.open, ...options });
  for (const { name } of writer.tensors) {
    const all = values.get(name) ?? new Uint8Array(0);
    for (let from = 0; from < all.length; from += part) await writer.write(name, all.slice(from, from + part));
  }
  return { written: await writer.finish(), files: memory.files };
}

const reopen = (files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => openSafetensors(inMemory(Object.fromEntries(files)), { model: "what was written" });

describe("layout", () => {
  const sizes = (shards: ReturnType<typeof layOut>) => shards.files.map(({ path, tensors }) => [path, tensors.map(({ name }) => name).join(" ")]);
  const four = ["a", "b", "c", "d"].map((name) => float32(name, 4)); // 16 bytes each

  test("one file has the plain name and no index", () => {
    const layout = layOut(four);
    expect(sizes(layout)).toEqual([["model.safetensors", "a b c d"]]);
    expect([layout.index, layout.totalBytes]).toEqual([null, 64]);
  });

  test("a shard is filled up to its size and not beyond; a larger tensor lies alone", () => {
    expect(sizes(layOut(four, { maxShardBytes: 32 }))).toEqual([["model-00001-of-00002.safetensors", "a b"], ["model-00002-of-00002.safetensors", "c d"]]);
    expect(sizes(layOut(four, { maxShardBytes: 31 })).map(([, names]) => names)).toEqual(["a", "b", "c", "d"]);
    expect(sizes(layOut([...four.slice(0, 1), float32("large", 100), ...four.slice(1)], { maxShardBytes: 48 })).map(([, names]) => names)).toEqual(["a", "large", "b c d"]);
  });

  test("larger elements come first in a file, so that every tensor lies on its element size", () => {
    const dtypes = Object.keys(bitsEach).filter((dtype) => bitsEach[dtype as Dtype] >= 8) as Dtype[];
    const mixed = dtypes.flatMap((dtype, i) => [{ name: `${i}a`, dtype, shape: [3] }, { name: `${i}b`, dtype, shape: [1 + (i % 3), 3] }]);
    for (const file of layOut(mixed, { maxShardBytes: 200 }).files) {
      for (const { offset, dtype } of file.tensors) expect(offset % (bitsEach[dtype] / 8)).toBe(0);
      expect(file.header.length % 8).toBe(0);
    }
  });

  test.for([
    ["a name twice", [float32("a", 1), float32("a", 1)], /"a" cannot be written twice/],
    ["the name of metadata", [float32("__metadata__", 1)], /called __metadata__/],
    ["a negative dim", [float32("a", -1)], /"a" cannot be written as F32 of shape -1/],
    ["a product past counting", [float32("a", 2 ** 40, 2 ** 40)], /cannot be written/],
    ["three nibbles", [{ name: "a", dtype: "F4", shape: [3] }], /cannot be written/],
  ] as [string, NewTensor[], RegExp][])("%s is refused", ([, tensors, says]) => {
    expect(() => layOut(tensors)).toThrow(says);
  });

  test("a shard of no bytes is refused", () => {
    for (const maxShardBytes of [0, -1, NaN]) expect(() => layOut([], { maxShardBytes })).toThrow(/holds nothing/);
  });
});

describe("writing", () => {
  test.for(["kinds.safetensors", "no-metadata.safetensors", "sharded/model-00001-of-00002.safetensors"])("%s is written as the reference writes it, byte for byte", async (path) => {
    const source = await openSafetensors(inMemory({ [path]: bytesOf(path) }), { model: path });
    const values = new Map(await Promise.all(source.tensors.map(async ({ name }) => [name, await source.readRaw(name)] as const)));
    const { files } = await writeAll(source.tensors, values, { metadata: Object.fromEntries(source.metadata) });
    expect(files.get("model.safetensors")).toEqual(bytesOf(path));
  });

  test("f32 is rounded to what is stored, in parts of any size", async () => {
    const values = Float32Array.from(expected["kinds.safetensors"]?.["floats.F32"]?.f32 ?? [], (bits) => new Float32Array(Uint32Array.of(bits).buffer)[0] as number);
    const dtypes = ["F32", "BF16", "F64", "F16"] as const;
    const tensors = dtypes.map((dtype) => ({ name: dtype, dtype, shape: [4, 5] }));
    const want = { F32: values, F64: values, F16: f32FromF16Array(f16Array(values)), BF16: f32FromBf16Array(bf16Array(values)) };
    for (const part of [1, 3, 20, 50]) {
      const checkpoint = await reopen((await writeAll(tensors, new Map(dtypes.map((dtype) => [dtype, values])), {}, part)).files);
      for (const dtype of dtypes) expect(bitsOf(await checkpoint.readF32(dtype))).toEqual(bitsOf(want[dtype]));
    }
  });

  test("shards, their index, and what was written", async () => {
    const tensors = ["b", "a", "c"].map((name) => float32(name, 2));
    const { written, files } = await writeAll(tensors, new Map(tensors.map(({ name }) => [name, Float32Array.of(1, 2)])), { maxShardBytes: 16 });
    expect(written.map(({ path }) => path)).toEqual(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]);
    for (const { path, bytes } of written) expect(files.get(path)).toHaveLength(bytes);
    expect(new TextDecoder().decode(files.get("model.safetensors.index.json"))).toBe(`{
  "metadata": {
    "total_size": 24
  },
  "weight_map": {
    "a": "model-00001-of-00002.safetensors",
    "b": "model-00001-of-00002.safetensors",
    "c": "model-00002-of-00002.safetensors"
  }
}
`);
    expect((await reopen(files)).metadata.get("format")).toBe("pt");
  });

  test("what is written is read back equal, whatever it is", async () => {
    const dtypes = Object.keys(bitsEach).filter((dtype) => bitsEach[dtype as Dtype] >= 8) as Dtype[];
    const tensor = fc.record({ name: fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => name !== "__metadata__"), dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 3 }) });
    const lists = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 12 });
    await fc.assert(fc.asyncProperty(lists, fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 70 }), fc.nat(255), async (tensors, maxShardBytes, part, seed) => {
      const values = new Map(layOut(tensors).files.flatMap((file) => file.tensors.map(({ name, bytes }, i) => [name, Uint8Array.from({ length: bytes }, (_, at) => seed + 31 * i + 7 * at)] as const)));
      const { files, written } = await writeAll(tensors, values, { maxShardBytes }, part);
      const checkpoint = await reopen(files);
      expect(new Set(checkpoint.tensors.map(({ name, dtype, shape }) => JSON.stringify([name, dtype, shape])))).toEqual(new Set(tensors.map(({ name, dtype, shape }) => JSON.stringify([name, dtype, shape]))));
      for (const { name } of tensors) expect(await checkpoint.readRaw(name)).toEqual(values.get(name));
      expect(written).toHaveLength(files.size);
    }), { numRuns: 200 });
  }, 30_000);
});

describe("a writer keeps to what was announced", () => {
  const tensors = [float32("a", 2), { name: "empty", dtype: "F32", shape: [0] } as const, { name: "ids", dtype: "I64", shape: [1] } as const];
  const writer = () => new SafetensorsWriter(tensors, { open: memorySinks().open, maxShardBytes: 8 });

  test("too much, too little, another's turn, numbers for bytes", async () => {
    await expect(writer().write("a", new Float32Array(3))).rejects.toThrow(/"a" has 2 elements, but 3 were given/);
    await expect(writer().write("ids", new Uint8Array(8))).rejects.toThrow(/"ids" was given, but "a" is next/);
    const short = writer();
    await short.write("a", new Float32Array(1));
    await expect(short.finish()).rejects.toThrow(/"a" is not whole: 4 of its 8 bytes/);
    const wrong = writer();
    await wrong.write("a", new Float32Array(2));
    await wrong.write("empty", new Float32Array(0));
    await expect(wrong.write("ids", new Float32Array(1))).rejects.toThrow(/"ids" is written as I64, which takes bytes/);
    await expect(wrong.write("ids", new Uint8Array(8))).rejects.toThrow(/Writing failed/);
    const done = writer();
    await done.write("a", new Float32Array(2));
    await done.write("ids", new Uint8Array(8));
    await done.finish();
    await expect(done.write("ids", new Uint8Array(8))).rejects.toThrow(/is finished/);
    await expect(done.finish()).rejects.toThrow(/is finished/);
  });

  test("two parts at once are refused, not mixed", async () => {
    const one = writer();
    const first = one.write("a", new Float32Array(1));
    await expect(one.write("a", new Float32Array(1))).rejects.toThrow(/still being written/);
    await first;
  });

  /** A disk that says what was done to it, and is full after so many writes. */
  function disk(writes = Infinity) {
    const log: string[] = [];
    let left = writes;
    const open: OpenSink = async (path) => ({
      async write() {
        await Promise.resolve();
        if (left-- <= 0) throw new Error("full");
      },
      async close() {
        log.push(`close ${path}`);
      },
      async abort() {
        log.push(`abort ${path}`);
      },
    });
    return { log, open };
  }

  test("abort leaves nothing: finished shards go, too, and a write under way ends first", async () => {
    const { log, open } = disk();
    const one = new SafetensorsWriter(tensors, { open, maxShardBytes: 8 });
    await one.write("a", new Float32Array(2));
    const under = one.write("ids", new Uint8Array(4));
    await one.abort();
    await under;
    expect(log).toEqual(["close model-00001-of-00002.safetensors", "abort model-00001-of-00002.safetensors", "abort model-00002-of-00002.safetensors"]);
    expect(isLabError(await one.write("ids", new Uint8Array(4)).catch((error: unknown) => error), "cancelled")).toBe(true);
    await one.abort();
    expect(log).toHaveLength(3);
  });

  test("abort while the last files are closed: not finished", async () => {
    const { log, open } = disk();
    const one = new SafetensorsWriter([float32("a", 1), float32("b", 1)], { open, maxShardBytes: 4 });
    await one.write("a", new Float32Array(1));
    await one.write("b", new Float32Array(1));
    const finishing = one.finish().catch((error: unknown) => error);
    await one.abort();
    expect(isLabError(await finishing, "cancelled")).toBe(true);
    expect(log.filter((line) => line.startsWith("abort"))).toHaveLength(3);
  });

  test("a disk that is full fails the write; nothing can be added; abort clears up", async () => {
    const { log, open } = disk(2); // the header and one part
    const one = new SafetensorsWriter([float32("a", 3)], { open });
    await one.write("a", new Float32Array(1));
    await expect(one.write("a", new Float32Array(1))).rejects.toThrow("full");
    await expect(one.write("a", new Float32Array(1))).rejects.toThrow(/Writing failed/);
    await one.abort();
    expect(log).toEqual(["abort model.safetensors"]);
  });
});
