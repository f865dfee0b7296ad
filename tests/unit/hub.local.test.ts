/** The local Hub answers as the real one does: its own client works against it, in both directions. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import * as client from "@huggingface/hub";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type LocalHub, openLocalHub } from "../fixtures/hub/local.ts";

let hub: LocalHub;
const weights = Uint8Array.from({ length: 4000 }, (_, i) => (i * 7) % 251);
const repo = "alice/tiny";
const at = (file: string) => `${hub.url}/${repo}/resolve/main/${file}`;
const token = (value: string) => ({ headers: { Authorization: `Bearer ${value}` } });

beforeAll(async () => {
  hub = await openLocalHub({ tokens: { hf_local: "local", hf_other: "other" }, pageSize: 2 });
  hub.put(repo, "onnx/model.onnx", weights);
  hub.put(repo, "config.json", { model_type: "mlp" });
  hub.put(repo, "README.md", "---\nlicense: mit\nbase_model:\n  - alice/base\ntags: [vision, 'a b']\n---\n# Tiny\n");
  hub.put(`${repo}@v2`, "config.json", { model_type: "mlp", version: 2 });
  hub.put("alice/closed", "config.json", {});
  hub.put("alice/closed", ".hub.json", { gated: "manual", allowed: ["hf_local"] });
  hub.put("alice/hidden", "config.json", {});
  hub.put("alice/hidden", ".hub.json", { private: true, allowed: ["hf_local"] });
  hub.put("datasets/alice/rows", "train.jsonl", Array.from({ length: 150 }, (_, i) => JSON.stringify({ text: `row ${i}`, label: i % 2 })).join("\n"));
  hub.put("datasets/alice/rows", "hard/test.csv", 'text,score\n"one, ""two""",1.5\nthree,2\n');
  hub.put("datasets/alice/rows", ".hub.json", { features: { label: { names: ["no", "yes"] } } });
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.faults.clear();
  hub.log.length = 0;
});

/** As it goes over the wire: `fetch` would follow redirects and tidy addresses. */
function raw(address: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  return new Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: string }>((resolve, reject) => {
    const { port, pathname, search } = new URL(address);
    const target = address.slice(address.indexOf("/", 8));
    request({ port, host: "127.0.0.1", path: target || pathname + search, ...options }, (response) => {
      let body = "";
      response.on("data", (part) => (body += part)).on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body })).on("error", reject);
    }).on("error", reject).end();
  });
}

describe("reading with the Hub's own client", () => {
  test("facts: commit, licence, base, tags", async () => {
    const info = await client.modelInfo({ name: repo, hubUrl: hub.url, additionalFields: ["sha", "cardData", "tags", "filePaths"] });
    expect(info).toMatchObject({ name: repo, private: false, gated: false, cardData: { license: "mit", base_model: ["alice/base"], tags: ["vision", "a b"] } });
    expect(info.sha).toMatch(/^[0-9a-f]{40}$/);
    expect(info.tags).toContain("base_model:alice/base");
    expect(info.filePaths).toEqual(["README.md", "config.json", "onnx/model.onnx"]);
  });

  test("a list over several pages; Git's digest for small files, SHA-256 for large ones", async () => {
    const files = [];
    for await (const file of client.listFiles({ repo, recursive: true, hubUrl: hub.url })) files.push(file);
    expect(files.filter((file) => file.type === "file").map((file) => file.path)).toEqual(["README.md", "config.json", "onnx/model.onnx"]);
    expect(hub.asked()).toHaveLength(2);
    const config = Buffer.from('{"model_type":"mlp"}');
    expect(files.find((file) => file.path === "config.json")?.oid).toBe(createHash("sha1").update(`blob ${config.length}\0`).update(config).digest("hex"));
    expect(files.find((file) => file.path === "onnx/model.onnx")?.lfs).toMatchObject({ oid: createHash("sha256").update(weights).digest("hex"), size: 4000 });
    const [known, ...none] = await client.pathsInfo({ repo, paths: ["onnx/model.onnx", "nothing"], hubUrl: hub.url });
    expect(known?.lfs?.size).toBe(4000);
    expect(none).toEqual([]);
  });

  test("revisions: main, its commit, another branch and its commit; nothing else", async () => {
    const sha = async (revision: string) => (await client.modelInfo({ name: repo, hubUrl: hub.url, revision, additionalFields: ["sha"] })).sha;
    const [main, v2] = [await sha("main"), await sha("v2")];
    expect(v2).not.toBe(main);
    expect(await sha(main)).toBe(main);
    expect(await (await fetch(`${hub.url}/${repo}/resolve/${v2}/config.json`)).json()).toMatchObject({ version: 2 });
    const answer = await fetch(`${hub.url}/api/models/${repo}/revision/v3`);
    expect([answer.status, answer.headers.get("x-error-code")]).toEqual([404, "RevisionNotFound"]);
  });

  test("a file is downloaded through the other origin", async () => {
    const blob = await client.downloadFile({ repo, path: "onnx/model.onnx", hubUrl: hub.url });
    expect(new Uint8Array(await (blob as Blob).arrayBuffer())).toEqual(weights);
    expect(hub.log.some((row) => row.on === "cdn" && row.sent === weights.length)).toBe(true);
  });
});

describe("addresses of files", () => {
  test("a large file: redirected, its digest and size told on the way", async () => {
    const { status, headers } = await raw(at("onnx/model.onnx"), { method: "HEAD" });
    expect(status).toBe(302);
    expect(headers).toMatchObject({ "x-linked-size": "4000", "x-linked-etag": `"${createHash("sha256").update(weights).digest("hex")}"` });
    expect(headers["x-repo-commit"]).toMatch(/^[0-9a-f]{40}$/);
    expect(headers.location).toMatch(new RegExp(`^${hub.cdn}/`));
    expect((await raw(`${hub.url}/${repo}/raw/main/onnx/model.onnx`)).body).toMatch(/^version https:\/\/git-lfs/);
  });

  test("ranges: some bytes, the last ones, none", async () => {
    const part = async (range: string) => {
      const answer = await fetch(at("onnx/model.onnx"), { headers: { Range: range } });
      return [answer.status, answer.headers.get("content-range"), new Uint8Array(await answer.arrayBuffer()).length];
    };
    expect(await part("bytes=10-19")).toEqual([206, "bytes 10-19/4000", 10]);
    expect(await part("bytes=-5")).toEqual([206, "bytes 3995-3999/4000", 5]);
    expect(await part("bytes=4000-")).toEqual([416, "bytes */4000", 0]);
    const tag = (await raw(at("config.json"))).headers.etag as string;
    expect((await raw(at("config.json"), { headers: { "If-None-Match": tag } })).status).toBe(304);
    expect((await raw(at("config.json"), { headers: { Range: "bytes=1-", "If-Range": '"other"' } })).status).toBe(200);
  });

  test.for(["..%2fconfig.json", "..%2F..%2F..%2Fetc/passwd", "%2e%2e/config.json", ".hub.json", "..%5cconfig.json", "a%5cb"])("%s leads nowhere", async (file) => {
    const { status, body } = await raw(at(file));
    expect([400, 404]).toContain(status);
    expect(body).not.toMatch(/model_type|root:|allowed/);
  });

  test("pages may read what the Hub lets them, of large files nothing but their bytes", async () => {
    const { headers } = await raw(at("config.json"), { headers: { Origin: "https://lab.test" } });
    expect(headers["access-control-allow-origin"]).toBe("https://lab.test");
    expect(headers["access-control-expose-headers"]).toMatch(/X-Repo-Commit.*Link/);
    const { headers: large } = await raw(String((await raw(at("onnx/model.onnx"))).headers.location));
    expect(large["access-control-allow-origin"]).toBe("*");
    expect(large["access-control-expose-headers"]).toBeUndefined();
    const ask = await raw(at("config.json"), { method: "OPTIONS", headers: { Origin: "https://lab.test", "Access-Control-Request-Headers": "authorization" } });
    expect([ask.status, ask.headers["access-control-allow-headers"]]).toEqual([204, "authorization"]);
  });

  test("an unsigned address, or a token that came along, is refused where large files lie", async () => {
    const location = String((await raw(at("onnx/model.onnx"))).headers.location);
    expect((await fetch(location.replace(/Signature=.*/, "Signature=0"))).status).toBe(403);
    expect((await fetch(location, token("hf_local"))).status).toBe(400);
  });
});

describe("who may read", () => {
  const status = async (address: string, init?: RequestInit) => {
    const answer = await fetch(hub.url + address, init);
    return [answer.status, answer.headers.get("x-error-code")];
  };

  test("gated: the list yes, files no; 401 without a token, 403 with the wrong one", async () => {
    expect(await status("/api/models/alice/closed")).toEqual([200, null]);
    expect(await status("/alice/closed/resolve/main/config.json")).toEqual([401, "GatedRepo"]);
    expect(await status("/alice/closed/resolve/main/config.json", token("hf_other"))).toEqual([403, "GatedRepo"]);
    expect(await status("/alice/closed/resolve/main/config.json", token("hf_local"))).toEqual([200, null]);
  });

  test("private: as if it were not there", async () => {
    expect(await status("/api/models/alice/hidden")).toEqual(await status("/api/models/alice/nothing"));
    expect(await status("/api/models/alice/hidden", token("hf_other"))).toEqual([404, "RepoNotFound"]);
    expect(await status("/api/models/alice/hidden", token("hf_local"))).toEqual([200, null]);
  });

  test("a token nobody knows is refused even for what is open", async () => {
    expect((await status(`/api/models/${repo}`, token("hf_nobody")))[0]).toBe(401);
    await expect(client.whoAmI({ accessToken: "hf_nobody", hubUrl: hub.url })).rejects.toMatchObject({ statusCode: 401 });
    expect((await client.whoAmI({ accessToken: "hf_other", hubUrl: hub.url })).name).toBe("other");
  });
});

describe("the dataset viewer", () => {
  const get = async (route: string) => (await fetch(`${hub.viewer}/${route}`)).json() as Promise<Record<string, never>>;

  test("splits, and rows a hundred at a time", async () => {
    expect(await get("is-valid?dataset=alice/rows")).toMatchObject({ viewer: true });
    expect((await get("splits?dataset=alice/rows")).splits).toEqual([
      { dataset: "alice/rows", config: "hard", split: "test" },
      { dataset: "alice/rows", config: "default", split: "train" },
    ]);
    const page = await get("rows?dataset=alice/rows&config=default&split=train&offset=100&length=100");
    expect(page).toMatchObject({ num_rows_total: 150, num_rows_per_page: 100 });
    expect(page.rows).toHaveLength(50);
    expect(page.rows[0]).toEqual({ row_idx: 100, row: { text: "row 100", label: 0 }, truncated_cells: [] });
    expect(page.features[1]).toMatchObject({ name: "label", type: { _type: "ClassLabel", names: ["no", "yes"] } });
    expect((await get("first-rows?dataset=alice/rows&config=hard&split=test")).rows).toMatchObject([{ row: { text: 'one, "two"', score: 1.5 } }, { row: { text: "three", score: 2 } }]);
  });

  test("the Hub's own address answers as the viewer where datasets-server. stands before its host", async () => {
    const asked = "/splits?dataset=alice%2Frows";
    const host = `datasets-server.localhost:${new URL(hub.url).port}`;
    const [there, here] = [await raw(`${hub.viewer}${asked}`), await raw(`${hub.url}${asked}`, { headers: { host } })];
    expect(here.status).toBe(200);
    expect(here.body).toBe(there.body);
    expect((await raw(`${hub.url}${asked}`)).status).toBe(404);
  });

  test("what is wrong is said", async () => {
    const status = async (route: string) => (await fetch(`${hub.viewer}/${route}`)).status;
    expect(await status("rows?dataset=alice/rows&config=default&split=train&length=101")).toBe(422);
    expect(await status("rows?dataset=alice/rows&config=default&split=nothing")).toBe(404);
    expect(await status("splits?dataset=alice/nothing")).toBe(401);
    expect(await status("splits")).toBe(422);
  });
});

describe("a push with the Hub's own client", () => {
  const accessToken = "hf_local";

  test("a repository, small files, large ones, a second commit", async () => {
    const hubUrl = hub.url;
    expect(await client.createRepo({ repo: "local/merged", hubUrl, accessToken })).toMatchObject({ id: "local/merged" });
    const add = (file: string, content: BlobPart) => ({ operation: "addOrUpdate" as const, path: file, content: new Blob([content]) });
    const first = await client.commit({ repo: "local/merged", hubUrl, accessToken, title: "Merged", operations: [add("config.json", "{}"), add("onnx/model.onnx", weights), add("old.txt", "old")] });
    expect(readFileSync(path.join(hub.dir, "local/merged/onnx/model.onnx"))).toEqual(Buffer.from(weights));
    const second = await client.commit({ repo: "local/merged", hubUrl, accessToken, title: "Again", parentCommit: first?.commit.oid ?? "", operations: [{ operation: "delete", path: "old.txt" }, add("again.onnx", weights)] });
    expect(existsSync(path.join(hub.dir, "local/merged/old.txt"))).toBe(false);
    expect((await client.modelInfo({ name: "local/merged", hubUrl, additionalFields: ["sha"] })).sha).toBe(second?.commit.oid);
    // The second commit's large file was there already: it was not sent again.
    expect(hub.log.filter((row) => row.method === "PUT")).toHaveLength(1);
    await expect(client.commit({ repo: "local/merged", hubUrl, accessToken, title: "Late", parentCommit: first?.commit.oid ?? "", operations: [add("a", "b")] })).rejects.toMatchObject({ statusCode: 412 });
    await expect(client.createRepo({ repo: "local/merged", hubUrl, accessToken })).rejects.toMatchObject({ statusCode: 409 });
    await client.deleteRepo({ repo: "local/merged", hubUrl, credentials: { accessToken } });
    expect(existsSync(path.join(hub.dir, "local/merged"))).toBe(false);
  });

  test("not under another's name, not outside the repository, not with other bytes than announced", async () => {
    await expect(client.createRepo({ repo: "alice/stolen", hubUrl: hub.url, accessToken })).rejects.toMatchObject({ statusCode: 403 });
    await client.createRepo({ repo: "local/strict", hubUrl: hub.url, accessToken, visibility: "private" });
    expect((await fetch(`${hub.url}/api/models/local/strict`)).status).toBe(401);
    const line = (key: string, value: object) => JSON.stringify({ key, value });
    const commit = (...lines: string[]) => fetch(`${hub.url}/api/models/local/strict/commit/main`, { method: "POST", ...token(accessToken), body: [line("header", { summary: "x" }), ...lines].join("\n") });
    expect((await commit(line("file", { path: "../escaped", content: "" }))).status).toBe(400);
    expect((await commit(line("file", { path: "fine", content: "" }), line("lfsFile", { path: "big", oid: "0".repeat(64), size: 1 }))).status).toBe(400);
    expect(existsSync(path.join(hub.dir, "local/strict/fine"))).toBe(false);
    const batch = await fetch(`${hub.url}/local/strict.git/info/lfs/objects/batch`, { method: "POST", ...token(accessToken), body: JSON.stringify({ operation: "upload", objects: [{ oid: "ab".repeat(32), size: 3 }] }) });
    const { objects } = (await batch.json()) as { objects: { actions: { upload: { href: string } } }[] };
    expect((await fetch(objects[0]?.actions.upload.href ?? "", { method: "PUT", body: "abc" })).status).toBe(400);
  });
});

describe("faults on demand", () => {
  const read = async (address = at("onnx/model.onnx")) => new Uint8Array(await (await fetch(address)).arrayBuffer());

  test("cut, flipped, short, slow, once each", async () => {
    hub.faults.add({ kind: "cut", path: "/repos/", at: 1000 });
    await expect(read()).rejects.toThrow();
    expect(hub.log.at(-1)?.sent).toBe(1000);
    hub.faults.add({ kind: "flip", path: "/repos/", at: -1 });
    expect((await read()).at(-1)).toBe((weights.at(-1) ?? 0) ^ 0xff);
    hub.faults.add({ kind: "short", path: "/repos/", at: 100 });
    expect(await read()).toHaveLength(100);
    hub.faults.add({ kind: "slow", path: "/repos/", rate: 20_000 });
    const began = performance.now();
    expect(await read()).toEqual(weights);
    expect(performance.now() - began).toBeGreaterThan(150);
    expect(await read()).toEqual(weights);
  });

  test("a stall gives some bytes, then silence", async () => {
    hub.faults.add({ kind: "stall", path: "/repos/", at: 500 });
    const reader = (await fetch(at("onnx/model.onnx"))).body?.getReader();
    expect((await reader?.read())?.value).toHaveLength(500);
    const silent = await Promise.race([reader?.read(), new Promise((resolve) => setTimeout(resolve, 200, "silent"))]);
    expect(silent).toBe("silent");
    await reader?.cancel();
  });

  test("statuses with what belongs to them, ranges forgotten, a page instead; by the address as well", async () => {
    const answer = await fetch(`${at("config.json")}?fault=status:429:7`);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "7"]);
    hub.faults.add({ kind: "whole", path: "/repos/" });
    expect((await fetch(at("onnx/model.onnx"), { headers: { Range: "bytes=5-" } })).status).toBe(200);
    hub.faults.add({ kind: "web-page", path: "/config\\.json$/", times: 2 });
    expect(new TextDecoder().decode(await read(at("config.json")))).toMatch(/^<!doctype/);
    expect(new TextDecoder().decode(await read(at("config.json")))).toMatch(/^<!doctype/);
    expect(new TextDecoder().decode(await read(at("config.json")))).toMatch(/^\{/);
  });
});
