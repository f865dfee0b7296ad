/**
 * Builds the site into dist/ (and, asked by hand, the library into dist-lib/). `ensureBuilt()` does it only when a source
 * changed, by content, so a checkout's times do not matter; the finished folder is moved in place, never half there.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { at, cache, main, Plain, root, say } from "./house.mjs";
import { ensureInstalled } from "./install.mjs";

const sources = ["src", "workers", "public", "recipes", "index.html", "headless.html", "vite.config.ts", "svelte.config.js", "tools/vite", "docs/methods.md", "docs/recipe.md", "docs/models.md", "docs/tasks.md", "package-lock.json"];

/** Digest over the content of everything the site is built from. */
export function sourceDigest(of = sources) {
  const hash = createHash("sha256");
  const walk = (relative) => {
    const file = at(relative);
    if (!existsSync(file)) return;
    if (statSync(file).isDirectory()) for (const name of readdirSync(file).sort()) walk(`${relative}/${name}`);
    else hash.update(`${relative}\0`).update(readFileSync(file)).update("\0");
  };
  of.forEach(walk);
  return hash.digest("hex");
}

/** The built site's folder; builds it first when a source changed. MURMURATION_DIST names a finished one to use as it is. */
export async function ensureBuilt() {
  if (process.env.MURMURATION_DIST) return path.resolve(process.env.MURMURATION_DIST);
  return oneAtATime(async () => {
    const digest = sourceDigest();
    const stamp = path.join(cache, "site");
    if (existsSync(at("dist/index.html")) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return at("dist");
    say("Building the site …");
    await build("vite.config.ts", at("dist"));
    writeFileSync(stamp, digest);
    return at("dist");
  });
}

/** The library as another site takes it: one ES module, its workers and the runtime beside it. */
export async function ensureLibrary() {
  return oneAtATime(async () => {
    const digest = sourceDigest(["src", "workers", "tools/vite", "vite.config.ts", "package-lock.json"]);
    const stamp = path.join(cache, "library");
    if (existsSync(at("dist-lib/murmuration.js")) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return at("dist-lib");
    say("Building the library …");
    await build("tools/vite/library.config.mjs", at("dist-lib"));
    writeFileSync(stamp, digest);
    return at("dist-lib");
  });
}

/**
 * In a process of its own: a test runner's environment (NODE_ENV) would make another site.
 * @param {string} configFile @param {string} target @param {string} [from] folder the pages lie in
 */
export async function build(configFile, target, from = root) {
  const beside = path.join(cache, `build-${process.pid}`);
  rmSync(beside, { recursive: true, force: true });
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== "NODE_ENV" && !/^VITE/.test(name)));
  const level = process.env.MURMURATION_DEBUG ? "info" : "error";
  const args = [at("node_modules/vite/bin/vite.js"), "build", from, "--config", at(configFile), "--outDir", beside, "--emptyOutDir", "--logLevel", level];
  const status = await new Promise((resolve) => {
    spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", 2, 2] }).on("close", resolve);
  });
  if (status !== 0) {
    rmSync(beside, { recursive: true, force: true });
    throw new Plain("The build failed; what it said stands above.");
  }
  rmSync(target, { recursive: true, force: true });
  renameSync(beside, target);
}

/** Two tools started at once build once: the second waits for the first. */
async function oneAtATime(work) {
  mkdirSync(cache, { recursive: true });
  const lock = path.join(cache, "lock");
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (!alive(Number(existsSync(lock) ? readFileSync(lock, "utf8") : 0))) rmSync(lock, { force: true });
      else await sleep(100);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function alive(pid) {
  try {
    if (pid) process.kill(pid, 0);
    return true; // pid 0: the lock is being written
  } catch (error) {
    return error.code === "EPERM";
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await main(async () => {
    ensureInstalled();
    rmSync(cache, { recursive: true, force: true });
    await ensureBuilt();
    await ensureLibrary();
    say("dist/ holds the site, dist-lib/ the library.");
  });
