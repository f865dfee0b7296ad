/** What a bare machine lacks: the packages of package-lock.json. Imported before anything from node_modules. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { at, Plain, root, say } from "./house.mjs";

const oldest = [20, 19];

export function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new Plain(`Node ${process.versions.node} is too old: Murmuration needs ${oldest.join(".")} or newer.`);
}

/** Missing: `npm ci`. There, but not what the lock file says: `npm install`. */
export function ensureInstalled() {
  checkNode();
  const missing = !existsSync(at("node_modules", ".package-lock.json"));
  if (!missing && upToDate()) return;
  say(missing ? "Installing packages (once) …" : "Updating packages …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const done = spawnSync(npm, [missing ? "ci" : "install", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (done.status !== 0) throw new Plain("The packages could not be installed. Check the network, then try again (`npm ci` says more).");
}

function upToDate() {
  const wanted = JSON.parse(readFileSync(at("package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(at("node_modules", ".package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional, link }]) =>
      path === "" || link || optional || devOptional || installed[path]?.version === version,
  );
}
