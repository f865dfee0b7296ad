import { openAsBlob } from "node:fs";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { blobSource, type ByteSource, bytesSource, urlSource } from "../../../src/checkpoint/safetensors/source.ts";
import { isLabError, type LabErrorCode } from "../../../src/lib/error.ts";
import { serve } from "../../../tools/serve.mjs";
import { bitsOf, bytesOf, expected } from "../../fixtures/safetensors/load.ts";

const file = bytesOf("kinds.safetensors");
const name = "expert/model.safetensors";

let folder = "";
let served: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "murmuration-source-"));
  await writeFile(path.join(folder, "model.safetensors"), file);
  await writeFile(path.join(folder, "empty"), "");
  served = await serve({ root: folder });
});
afterAll(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});

async function code(promise: Promise<unknown>): Promise<[LabErrorCode | string, string]> {
  const error = await promise.then(() => "no error", (thrown: unknown) => thrown);
  return isLabError(error) ? [error.code, error.message] : ["none", String(error)];
}

const kinds: [string, () => Promise<ByteSource>][] = [
  ["an array", async () => bytesSource(file)],
  ["a blob", async () => blobSource(new Blob([file]), name)],
  ["an address whose size is known", () => urlSource(`${served.url}model.safetensors`, { name, size: file.length })],
  ["an address whose size is asked for", () => urlSource(`${served.url}model.safetensors`, { name })],
];

test.for(kinds)("%s gives any range, and opens as a checkpoint", async ([, make]) => {
  const source = await make();
  expect(source.size).toBe(file.length);
  for (const [begin, end] of [[0, 1], [5, 5], [100, 300], [file.length - 1, file.length], [0, file.length], [file.length, file.length]] as const) {
    expect(await source.read(begin, end)).toEqual(file.slice(begin, end));
  }
  const checkpoint = await openSafetensors([{ path: "model.safetensors", source }], { model: "a folder" });
  expect(bitsOf(await checkpoint.readF32("floats.BF16", 3, 9))).toEqual(expected["kinds.safetensors"]?.["floats.BF16"]?.f32?.slice(3, 9));
});

test("an empty file on a server has no bytes", async () => {
  expect((await urlSource(`${served.url}empty`, { name })).size).toBe(0);
});

test("a file that changed since it was chosen says so", async () => {
  const changing = path.join(folder, "changing");
  await writeFile(changing, "0123456789");
  const source = blobSource(await openAsBlob(changing), name);
  expect(await source.read(2, 4)).toEqual(new TextEncoder().encode("23"));
  await appendFile(changing, "more");
  expect(await code(source.read(2, 4))).toEqual(["not-found", expect.stringMatching(/^expert\/model\.safetensors could not be read any more: it was changed/)]);
});

describe("a server that does not do as it is asked", () => {
  let server: Server | null = null;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  /** Ten bytes, served by `answer`. */
  async function source(answer: (response: ServerResponse, request: IncomingMessage) => void, size: number | undefined = 10): Promise<ByteSource> {
    server = createServer((request, response) => answer(response, request));
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    return urlSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x?size=${size}`, { name, size: size < 0 ? undefined : size });
  }
  const part = (response: ServerResponse, range: string, body: string, headers = {}) => response.writeHead(206, { "Content-Range": range, ...headers }).end(body);

  const cases: [string, Parameters<typeof source>[0], LabErrorCode, RegExp][] = [
    ["it sends all", (response) => response.end("0123456789"), "length-mismatch", /does not answer ranges \(HTTP 200 instead of 206\)/],
    ["no Content-Range", (response) => response.writeHead(206).end("23"), "length-mismatch", /asked for bytes 2–3, but its server sends "no Content-Range"/],
    ["another range", (response) => part(response, "bytes 3-4/10", "34"), "length-mismatch", /bytes 2–3, but its server sends "bytes 3-4\/10"/],
    ["a shorter range", (response) => part(response, "bytes 2-2/10", "2"), "length-mismatch", /bytes 2–3, but/],
    ["another size", (response) => part(response, "bytes 2-3/11", "23"), "length-mismatch", /has 11 bytes there, but 10 were expected/],
    ["a body too long", (response) => part(response, "bytes 2-3/10", "234", { "Content-Length": 3 }), "length-mismatch", /sends 3 bytes where 2 were asked for/],
    ["a body too long, of no told length", (response) => part(response, "bytes 2-3/10", "234", { "Transfer-Encoding": "chunked" }), "length-mismatch", /sends more than the 2 bytes/],
    ["a body too short, of no told length", (response) => part(response, "bytes 2-3/10", "2", { "Transfer-Encoding": "chunked" }), "offline", /does not answer/],
    ["a body that is cut", (response) => (response.writeHead(206, { "Content-Range": "bytes 2-3/10", "Content-Length": 2 }), response.write("2"), setTimeout(() => response.destroy(), 20)), "offline", /does not answer/],
    ["nobody", (response) => response.destroy(), "offline", /does not answer/],
    ["404", (response) => response.writeHead(404).end(), "not-found", /is not there \(HTTP 404\)/],
    ["403", (response) => response.writeHead(403).end(), "gated", /without permission/],
    ["416", (response) => response.writeHead(416).end(), "not-found", /HTTP 416/],
    ["429", (response) => response.writeHead(429).end(), "rate-limited", /patience/],
    ["503", (response) => response.writeHead(503).end(), "offline", /answers HTTP 503/],
  ];

  test.for(cases)("%s", async ([, answer, wanted, says]) => {
    const [got, message] = await code((await source(answer)).read(2, 4));
    expect([got, message]).toEqual([wanted, expect.stringMatching(says)]);
    expect(message).toContain(name);
  });

  test("all, where all was asked for, is fine", async () => {
    expect(await (await source((response) => response.end("0123456789"))).read(0, 10)).toEqual(new TextEncoder().encode("0123456789"));
  });

  test("a part of no told length, as long as it should be, is fine", async () => {
    const chunked = await source((response) => part(response, "bytes 2-3/*", "23", { "Transfer-Encoding": "chunked" }));
    expect(await chunked.read(2, 4)).toEqual(new TextEncoder().encode("23"));
  });

  test("a size that nobody tells is asked for; a server without ranges says so at once", async () => {
    expect(await code(source((response) => response.end("0123456789"), -1))).toEqual(["length-mismatch", expect.stringMatching(/HTTP 200 instead of 206/)]);
    expect(await code(source((response) => part(response, "bytes 0-0/*", "0"), -1))).toEqual(["length-mismatch", expect.stringMatching(/does not say how long/)]);
  });

  test("a file that changes between two reads says so", async () => {
    let version = 0;
    const changing = await source((response) => part(response, "bytes 2-3/10", "23", { ETag: `"${version++}"` }));
    await changing.read(2, 4);
    expect(await code(changing.read(2, 4))).toEqual(["length-mismatch", expect.stringMatching(/was changed on its server/)]);
  });

  test("a read that is stopped is no error of the network", async () => {
    const silent = await source(() => undefined);
    const stop = new AbortController();
    const reading = silent.read(2, 4, stop.signal);
    setTimeout(() => stop.abort(), 10);
    expect((await code(reading))[0]).toBe("cancelled");
  });
});
