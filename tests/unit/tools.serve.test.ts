import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRange, serve } from "../../tools/serve.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "murmuration-serve-"));
let served: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  mkdirSync(path.join(folder, "site/assets"), { recursive: true });
  writeFileSync(path.join(folder, "secret.txt"), "secret");
  writeFileSync(path.join(folder, "site/index.html"), "<p>hello</p>");
  writeFileSync(path.join(folder, "site/assets/ort-AbCd1234.wasm"), "0123456789");
  writeFileSync(path.join(folder, "site/empty.json"), "");
  for (const name of ["code.worker-AbCd1234.js", "hub.worker-AbCd1234.js"]) writeFileSync(path.join(folder, "site/assets", name), "1");
  served = await serve({ root: path.join(folder, "site"), base: "/deep/under/" });
});
afterAll(async () => {
  await served.close();
  rmSync(folder, { recursive: true });
});

/** `fetch` tidies addresses; what an attacker writes goes as it is. */
function raw(target: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ port: served.port, host: "127.0.0.1", path: target }, (response) => {
      let body = "";
      response.on("data", (part) => (body += part)).on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    }).on("error", reject).end();
  });
}

describe("the local server", () => {
  test("serves a site under a sub-path, isolated, its page never stale", async () => {
    const answer = await fetch(served.url);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("<p>hello</p>");
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(answer.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(answer.headers.get("cache-control")).toBe("no-cache");
  });

  test("leads from the folder's bare name to the folder, so relative addresses hold", async () => {
    const answer = await fetch(served.url.slice(0, -1), { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([308, "/deep/under/"]);
  });

  test("keeps hashed files for good, with the type WASM streaming needs", async () => {
    const answer = await fetch(`${served.url}assets/ort-AbCd1234.wasm`);
    expect(answer.headers.get("content-type")).toBe("application/wasm");
    expect(answer.headers.get("cache-control")).toContain("immutable");
  });

  test("answers a range with that range, and what is not there with 416", async () => {
    const file = `${served.url}assets/ort-AbCd1234.wasm`;
    const part = await fetch(file, { headers: { range: "bytes=3-5" } });
    expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([206, "345", "bytes 3-5/10"]);
    expect((await fetch(file, { headers: { range: "bytes=10-" } })).status).toBe(416);
    const stale = await fetch(file, { headers: { range: "bytes=3-5", "if-range": '"other"' } });
    expect([stale.status, await stale.text()]).toEqual([200, "0123456789"]);
  });

  test("answers 304 to whoever has the file", async () => {
    const first = await fetch(served.url);
    const again = await fetch(served.url, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  test.for(["/deep/under/../../secret.txt", "/deep/under/%2e%2e/secret.txt", "/deep/under/..%2fsecret.txt", "/secret.txt", "/deep/under/a%00b", "/deep/under/%zz"])(
    "gives nothing outside its folder: %s",
    async (target) => {
      const answer = await raw(target);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.body).not.toContain("secret");
    },
  );

  test("cuts the thread for generated code off from the network, and no other", async () => {
    const policyOf = async (name: string) => (await fetch(`${served.url}assets/${name}`)).headers.get("content-security-policy");
    expect(await policyOf("code.worker-AbCd1234.js")).toMatch(/^default-src 'none'/);
    expect(await policyOf("hub.worker-AbCd1234.js")).toBeNull();
  });

  test("serves an empty file as an empty file", async () => {
    const answer = await fetch(`${served.url}empty.json`);
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
  });

  test("only reads", async () => {
    expect((await fetch(served.url, { method: "PUT", body: "x" })).status).toBe(405);
  });
});

test.for([
  ["bytes=0-", { start: 0, end: 9 }],
  ["bytes=-3", { start: 7, end: 9 }],
  ["bytes=-30", { start: 0, end: 9 }],
  ["bytes=2-100", { start: 2, end: 9 }],
  ["bytes=5-4", "unsatisfiable"],
  ["bytes=0-1,3-4", null],
  ["lines=0-1", null],
  [undefined, null],
] as const)("the range %s of ten bytes", ([header, range]) => {
  expect(parseRange(header, 10)).toEqual(range);
});
