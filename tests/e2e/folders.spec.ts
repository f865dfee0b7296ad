/** Folders of safetensors from the command line: mergekit's file in, a model out that is mergekit's; bad input; Ctrl-C; the page's own door. */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { layOut } from "../../src/checkpoint/safetensors/layout.ts";
import { openSafetensors } from "../../src/checkpoint/safetensors/open.ts";
import { bytesSource } from "../../src/checkpoint/safetensors/source.ts";
import { folder, murmuration, reportIn, root, type Ended } from "./commandLine.ts";

const parity = path.join(root, "tests/fixtures/parity");
const place = folder("folders");
const family = path.join(place, "float32");
beforeAll(() => cpSync(path.join(parity, "family/float32"), family, { recursive: true }));

const yaml = (name: string) => {
  cpSync(path.join(parity, `${name}.yml`), path.join(family, `${name}.yml`));
  return path.join(family, `${name}.yml`);
};
const open = (files: readonly string[]) => openSafetensors(files.map((file) => ({ path: path.basename(file), source: bytesSource(new Uint8Array(readFileSync(file))) })), { model: "the result" });
const resultOf = (out: string) => open(readdirSync(out).filter((name) => name.includes("safetensors")).map((name) => path.join(out, name)));

describe("a mergekit file", () => {
  const out = path.join(place, "merged");
  let ended: Ended;
  beforeAll(async () => {
    // One of its models lies in two shards and has another number of rows: they are gathered anew.
    ended = await murmuration(["merge", yaml("tokenizer-wide-base"), "--out", out]);
  });

  test("gives mergekit's numbers, a report in one line and on the disk, progress in bytes", async () => {
    expect(ended).toMatchObject({ exitCode: 0, result: { ok: true, scores: {}, digests: { [reportIn(out).runs[0]!.id]: expect.stringMatching(/^sha256:/) } } });
    expect(ended.stderr).toMatch(/Merging: 100 %, .* read, .* written/);
    const [wanted, got] = [await open([path.join(parity, "tokenizer-wide-base.safetensors")]), await resultOf(out)];
    for (const { name } of wanted.tensors) {
      const [ours, theirs] = [await got.readF32(name), await wanted.readF32(name)];
      theirs.forEach((value, i) => {
        if (!(Math.abs(ours[i]! - value) <= 2e-6 * Math.max(1, Math.abs(value)))) expect.fail(`${name}[${i}] is ${ours[i]} instead of ${value}`);
      });
    }
  });

  test("leaves a folder that can be used, every file of it in the report with its digest", () => {
    const report = reportIn(out);
    const names = readdirSync(out).sort();
    expect(names).toEqual(expect.arrayContaining(["README.md", "config.json", "mergekit_config.yml", "model.safetensors", "recipe.json", "report.json", "tokenizer.json"]));
    expect(report.files.map((file) => file.path).sort()).toEqual(names.filter((name) => name !== "report.json"));
    for (const file of report.files) {
      const bytes = readFileSync(path.join(out, file.path));
      expect({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") }, file.path).toEqual({ bytes: file.bytes, sha256: file.sha256 });
    }
    expect(statSync(path.join(out, "model.safetensors")).mode & 0o044).toBe(0o044 & ~process.umask());
    expect(readdirSync(place).sort()).toEqual(["float32", "merged"]); // no profile, no half results
  });

  test("what it wrote can be merged again from there, and --resume sees that it is finished", async () => {
    const again = await murmuration(["merge", path.join(out, "mergekit_config.yml"), "--out", path.join(place, "again"), "--quiet"]);
    expect(again).toMatchObject({ exitCode: 0, result: { digests: ended.result.digests } });
    expect(again.stderr).toBe("");
    const before = statSync(path.join(out, "model.safetensors")).mtimeMs;
    const resumed = await murmuration(["merge", yaml("tokenizer-wide-base"), "--out", out, "--resume"]);
    expect(resumed).toMatchObject({ exitCode: 0, result: { digests: ended.result.digests } });
    expect(statSync(path.join(out, "model.safetensors")).mtimeMs).toBe(before);
    expect(await murmuration(["merge", yaml("linear"), "--out", out, "--resume"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("another recipe") });
  });

  test("--dry-run says bytes and memory, and writes nothing", async () => {
    const dry = await murmuration(["merge", yaml("linear"), "--out", path.join(place, "dry"), "--dry-run"]);
    expect(dry).toMatchObject({ exitCode: 0, result: { ok: true, dryRun: true, fits: true, method: "linear", downloadBytes: 0 } });
    expect(dry.stderr).toContain("It fits.");
    expect(existsSync(path.join(place, "dry"))).toBe(false);
  });
});

describe("what cannot be merged", () => {
  const out = path.join(place, "never");
  const linear = (models: string[]) => `merge_method: linear\nmodels:\n${models.map((model) => `  - {model: ${model}, parameters: {weight: 1}}\n`).join("")}`;
  const merged = (name: string, text: string) => {
    writeFileSync(path.join(family, name), text);
    return murmuration(["merge", path.join(family, name), "--out", out, "--quiet"]);
  };

  test.for([
    ["an unknown key", "merge_method: linear\nmodelss: []\n", 2, "models"],
    ["a broken file", "merge_method: [linear\n", 2, "line"],
    ["a folder that is not there", linear(["math", "nowhere"]), 2, "nowhere"],
    ["weights that sum to zero", `merge_method: linear\nmodels:\n  - {model: math, parameters: {weight: 1}}\n  - {model: code, parameters: {weight: -1}}\n`, 2, "sum of weights, which is 0"],
    ["shapes that differ", linear(["math", "wide"]), 3, "model.embed_tokens.weight"],
  ] as const)("%s", async ([, text, exitCode, names]) => {
    const ended = await merged("wrong.yml", text);
    expect(ended).toMatchObject({ exitCode, stdout: "", stderr: expect.stringContaining(names) });
    expect(existsSync(out)).toBe(false);
  });

  test("a truncated shard, then a missing one: exit code 4 and the file's name", async () => {
    cpSync(path.join(family, "wide"), path.join(family, "broken"), { recursive: true });
    const shard = path.join(family, "broken/model-00002-of-00002.safetensors");
    truncateSync(shard, statSync(shard).size - 2);
    expect(await merged("broken.yml", linear(["wide", "broken"]))).toMatchObject({ exitCode: 4, stderr: expect.stringMatching(/model-00002-of-00002\.safetensors.*cut short/) });
    rmSync(shard);
    expect(await merged("broken.yml", linear(["wide", "broken"]))).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("model-00002-of-00002.safetensors") });
    expect(existsSync(out)).toBe(false);
  });
});

describe("a merge that takes a while", () => {
  const large = path.join(place, "large");
  const out = path.join(large, "out");
  const recipe = path.join(large, "merge.yml");
  beforeAll(() => {
    // 4 × 32 MB of ties: long enough to be interrupted in the middle.
    const [file] = layOut(Array.from({ length: 8 }, (_, i) => ({ name: `layers.${i}.weight`, dtype: "F32", shape: [1000, 1000] }))).files;
    for (const [at, name] of ["base", "a", "b", "c"].entries()) {
      mkdirSync(path.join(large, name), { recursive: true });
      const values = Float32Array.from({ length: 8e6 }, (_, i) => Math.sin(i * (at + 1)));
      writeFileSync(path.join(large, name, "model.safetensors"), Buffer.concat([file!.header, new Uint8Array(values.buffer)]));
    }
    writeFileSync(recipe, `merge_method: ties\nbase_model: base\nmodels:\n${["a", "b", "c"].map((name) => `  - {model: ${name}, parameters: {weight: 1, density: 0.3}}\n`).join("")}`);
  });

  test("Ctrl-C leaves nothing, inputs untouched", async () => {
    const inputs = () => ["base", "a", "b", "c"].map((name) => createHash("sha256").update(readFileSync(path.join(large, name, "model.safetensors"))).digest("hex"));
    const before = inputs();
    let sent = false;
    const { exitCode, stderr } = await murmuration(["merge", recipe, "--out", out], {
      during: (text, kill) => {
        if (!sent && text.includes("Merging: 0 %")) kill("SIGINT");
        sent ||= text.includes("Merging: 0 %");
      },
    });
    expect({ exitCode, said: stderr.trim().split("\n").at(-1) }).toEqual({ exitCode: 130, said: "Interrupted. Nothing was written." });
    expect(readdirSync(large).sort()).toEqual(["a", "b", "base", "c", "merge.yml"]);
    expect(inputs()).toEqual(before);
  });

  test("inputs are lent and given back as they were; an earlier result stays until --force has a new one", async () => {
    expect(await murmuration(["merge", recipe, "--out", out, "--quiet"])).toMatchObject({ exitCode: 0 });
    const [first] = reportIn(out).runs;
    expect(statSync(path.join(large, "base/model.safetensors")).nlink).toBe(1);
    expect(await murmuration(["merge", recipe, "--out", out, "--quiet"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--force") });
    expect(await murmuration(["merge", recipe, "--out", out, "--quiet", "--force", "--set", "runs.0.lambda=0.5"])).toMatchObject({ exitCode: 0 });
    expect(reportIn(out).runs[0]!.digest).not.toBe(first!.digest);
    expect(readdirSync(large).sort()).toEqual(["a", "b", "base", "c", "merge.yml", "out"]);
  });
});
