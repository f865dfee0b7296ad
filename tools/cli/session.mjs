/** One run of the built app: builds when stale, serves it on a free loopback port, opens headless.html and talks to its lab. */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, openSync, writeSync, closeSync } from "node:fs";
import path from "node:path";
import { launch, launchIn } from "../browser.mjs";
import { ensureBuilt } from "../build.mjs";
import { Plain } from "../house.mjs";
import { sendFile, serve } from "../serve.mjs";
import { exitCodes } from "./arguments.mjs";
import { lend } from "./lend.mjs";

/** Smaller files are read as they were handed over. */
const smallBytes = 1 << 20;

const exitOf = {
  "bad-recipe": exitCodes.badRecipe,
  "bad-arguments": exitCodes.badRecipe,
  "too-few-samples": exitCodes.badRecipe,
  "shape-mismatch": exitCodes.cannotMerge,
  "graph-mismatch": exitCodes.cannotMerge,
  "unsupported-onnx": exitCodes.cannotMerge,
  "unknown-model": exitCodes.cannotRead,
  "not-found": exitCodes.cannotRead,
  gated: exitCodes.cannotRead,
  offline: exitCodes.cannotRead,
  "rate-limited": exitCodes.cannotRead,
  "digest-mismatch": exitCodes.cannotRead,
  "length-mismatch": exitCodes.cannotRead,
  "bad-onnx": exitCodes.cannotRead,
  "bad-samples": exitCodes.cannotRead,
  "bad-safetensors": exitCodes.cannotRead,
  "unsupported-safetensors": exitCodes.cannotMerge,
  cancelled: exitCodes.interrupted,
};

/** Where the Hub is, as its own tools are told; the viewer's address is needed only where it is not `datasets-server.` before the Hub's. */
function hubOf({ HF_ENDPOINT: hub, HF_VIEWER_ENDPOINT: viewer }) {
  return { ...(hub && { hub }), ...(viewer && { viewer }) };
}

/** A job with what the environment tells of the Hub. */
const asked = (job, more = {}) => ({ ...job, options: { ...job.options, ...hubOf(process.env), ...more }, token: process.env.HF_TOKEN });

/**
 * @param {object} options
 * @param {Map<string, { folder: string, files: { path: string, bytes: number }[] }>} [options.mounts]
 * @param {string | null} [options.into] where received files are written
 * @param {string[]} [options.without] browser flags left out
 * @param {string | null} [options.profile] where the browser keeps its profile; a fresh one in memory unless told
 * @param {boolean} [options.handed] mounted files are put into the page as if they were dropped there, which it reads several times faster than addresses
 */
export async function openSession({ mounts = new Map(), into = null, without = [], profile = null, handed = false } = {}) {
  const root = await ensureBuilt();
  // Only the page that was told may read the local folders and write files.
  const door = `/__murmuration-${randomBytes(12).toString("hex")}/`;
  const folders = [...mounts.values()];
  const writer = into === null ? null : fileWriter(into);

  const server = await serve({
    root,
    route: async (request, response, pathname) => {
      if (!pathname.startsWith(door)) return false;
      const rest = pathname.slice(door.length);
      if (rest === "files" && request.method === "POST" && writer) {
        await writer(request, response);
        return true;
      }
      const match = /^mount\/(\d+)\/(.+)$/.exec(rest);
      const mounted = match && folders[Number(match[1])];
      if (!mounted || !mounted.files.some((file) => file.path === match[2])) return false;
      await sendFile(request, response, mounted.folder, match[2]);
      return true;
    },
  });
  const browser = await (profile === null ? launch({ without }) : launchIn(profile, { without })).catch(async (error) => {
    await server.close();
    throw error instanceof Plain ? new Plain(error.message, exitCodes.failed) : error;
  });
  const close = async () => {
    await browser.close().catch(() => undefined);
    await server.close();
  };
  try {
    const page = profile === null ? await browser.newPage() : (browser.pages()[0] ?? (await browser.newPage()));
    let hear = (_event) => undefined;
    await page.exposeFunction("murmurationEvent", (json) => void hear(JSON.parse(json)));
    const gone = new Promise((_, reject) => {
      const sentence = "The browser went away in mid-run. `--resume` goes on from the last row that was scored.";
      page.on("crash", () => reject(new Plain(sentence, exitCodes.failed)));
      browser.on(profile === null ? "disconnected" : "close", () => reject(new Plain(sentence, exitCodes.failed)));
    });
    gone.catch(() => undefined);
    if (process.env.MURMURATION_DEBUG) page.on("console", (message) => process.stderr.write(`[page] ${message.text()}\n`));
    await page.goto(new URL("headless.html", server.url).href);
    await page.waitForFunction("window.headless");

    const origin = new URL(server.url).origin;
    // One list for all; each mount knows the places of its own.
    const files = handed ? folders.flatMap(({ folder, files: listed }) => listed.map((file) => path.join(folder, file.path))) : [];
    if (files.length > 0) await page.setInputFiles("#files", files);
    let next = 0;
    const places = handed ? Object.fromEntries([...mounts].map(([reference, { files: listed }]) => [reference, listed.map((file) => ({ ...file, at: next++ }))])) : null;
    const urls = places ? {} : Object.fromEntries(
      [...mounts].map(([reference, { files }], index) => [
        reference,
        files.map((file) => ({ ...file, url: `${origin}${door}mount/${index}/${file.path.split("/").map(encodeURIComponent).join("/")}` })),
      ]),
    );
    /** Links in the profile, which are no files of the page's. */
    const lent = new Set();
    const call = async (run, argument) => open(await Promise.race([page.evaluate(run, argument), gone]));

    if (places && profile !== null) {
      const large = [...mounts].flatMap(([reference, { folder, files: listed }]) => listed.map((file, i) => ({ place: places[reference][i], real: path.join(folder, file.path) }))).filter(({ place }) => place.bytes > smallBytes);
      const names = large.length > 0 ? await call((count) => window.headless.reserve(count), large.length) : [];
      const links = lend(profile, new Map(names.map((name, i) => [name, large[i].real])));
      names.forEach((name, i) => links.has(name) && (large[i].place.stored = name));
      for (const link of links.values()) lent.add(link);
    }

    return {
      page,
      browser,
      lent,
      /** Runs a job; resolves with its report. */
      run: (job, onEvent) => {
        hear = onEvent ?? hear;
        return call((given) => window.headless.run(given), asked(job, { mounts: urls }));
      },
      /** What headers tell of a recipe's models. */
      look: (job) => call((given) => window.headless.look(given), asked(job, { mounts: urls })),
      /** What a merge of folders would cost. */
      plan: (job) => call((given) => window.headless.planFolders(given), { ...asked(job), places }),
      /** Merges folders into the browser's own files; resolves with the report and what was written. */
      folders: (job, onEvent) => {
        hear = onEvent ?? hear;
        return call((given) => window.headless.mergeFolders(given), { ...asked(job), places });
      },
      /** Has files that were written there sent into `into`. */
      send: (paths) => call(([list, address]) => window.headless.sendFolder(list, address), [paths, `${origin}${door}files`]),
      cancel: () => page.evaluate(() => window.headless.cancel()),
      /** Has the files of a scored model and the predictions written into `into`. */
      files: (id, safetensors = false) => call(([model, address, both]) => window.headless.files(model, address, both), [id, `${origin}${door}files`, safetensors]),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The page's answer, or its error as a sentence with the exit code of the contract. */
function open(answer) {
  if (answer.ok) return answer.value;
  if (process.env.MURMURATION_DEBUG) process.stderr.write(`${JSON.stringify(answer, null, 2)}\n`);
  const said = answer.code === "internal" ? `The lab failed where it should not: ${answer.message.split("\n")[0]}` : answer.message;
  throw new Plain(said, exitOf[answer.code] ?? exitCodes.failed);
}

/** Takes chunks in order: POST ?path=…&offset=… */
function fileWriter(into) {
  const offsets = new Map();
  return async (request, response) => {
    const query = new URL(request.url, "http://local").searchParams;
    const relative = query.get("path") ?? "";
    const offset = Number(query.get("offset"));
    const file = path.resolve(into, relative);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (!file.startsWith(path.resolve(into) + path.sep) || offset !== (offsets.get(file) ?? 0))
      return void response.writeHead(400).end("Not a place to write to.");
    const bytes = Buffer.concat(chunks);
    try {
      mkdirSync(path.dirname(file), { recursive: true });
      const handle = openSync(file, offset === 0 ? "w" : "a");
      writeSync(handle, bytes);
      closeSync(handle);
    } catch (error) {
      return void response.writeHead(507).end(error.code === "ENOSPC" ? "the disk is full" : String(error.code));
    }
    offsets.set(file, offset + bytes.length);
    response.writeHead(204).end();
  };
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
