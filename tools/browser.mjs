/**
 * A Chromium for tests, benches and the command line: found, on Debian installed, launched with a WebGPU adapter: the
 * machine's, where Chromium finds one by itself or CHROMIUM_FLAGS helps it, else one in software.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Plain, say } from "./house.mjs";

/** Without the second flag `requestAdapter()` is null on a machine without a GPU. CHROMIUM_FLAGS adds others, by spaces apart. */
export const flags = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  ...(process.env.CHROMIUM_FLAGS ?? "").split(/\s+/).filter(Boolean),
];

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const places = [
  "/usr/bin/chromium",
  "/snap/bin/chromium",
  "/opt/google/chrome/chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ...["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"]
    .filter((name) => process.env[name])
    .map((name) => path.join(process.env[name] ?? "", "Google", "Chrome", "Application", "chrome.exe")),
];

/** Path of an installed Chromium or Chrome, or null. */
export function findBrowser() {
  for (const name of ["CHROMIUM_PATH", "CHROME_PATH"]) {
    const given = process.env[name];
    if (!given) continue;
    if (runs(given)) return given;
    throw new Plain(`${name} says ${given}, but there is no program there. Correct it or leave it out.`);
  }
  const onPath = (process.env.PATH ?? "").split(path.delimiter).flatMap((folder) => names.map((name) => path.join(folder, name)));
  return [...onPath, ...places].find(runs) ?? null;
}

function runs(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Finds a browser; on Debian as root installs one; else says plainly what to do. */
export function ensureBrowser() {
  const found = findBrowser();
  if (found) return found;
  const debian = existsSync("/etc/debian_version") && !/^ID=ubuntu$/m.test(readOr("/etc/os-release")); // Ubuntu's is a snap
  if (debian && process.getuid?.() === 0) {
    say("Installing Chromium (once) …");
    for (const args of [["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]]) {
      const done = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
      if (done.status !== 0) break;
    }
    const installed = findBrowser();
    if (installed) return installed;
  }
  throw new Plain("No Chromium or Chrome was found. Install one, or name it in CHROMIUM_PATH, and try again.");
}

function readOr(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * @param {object} [options]
 * @param {string[]} [options.without] flags to leave out
 * @param {string[]} [options.args] flags to add
 */
export async function launch(options) {
  return started(options, (chromium, given) => chromium.launch(given));
}

/**
 * With a profile in a folder of ours, where the origin's file system lies on the disk. Answers its one context.
 * @param {string} profile @param {Parameters<typeof launch>[0]} [options]
 */
export async function launchIn(profile, options) {
  return started(options, (chromium, given) => chromium.launchPersistentContext(profile, given));
}

async function started({ without = [], args = [] } = {}, start) {
  const { chromium } = await import("playwright");
  try {
    return await start(chromium, {
      executablePath: ensureBrowser(),
      args: [...flags.filter((flag) => !without.includes(flag)), ...args],
      // Signals are ours: the command line stops a run in order.
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false,
    });
  } catch (error) {
    if (error instanceof Plain) throw error;
    throw new Plain(`The browser did not start: ${String(error?.message ?? error).split("\n")[0]}. Name another in CHROMIUM_PATH.`);
  }
}
