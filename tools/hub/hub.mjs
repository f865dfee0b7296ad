/**
 * `npm run hub -- DIR [--port N]`: a Hub on this machine, for tests and classrooms without a network. Models lie in `DIR/owner/name/`,
 * datasets in `DIR/datasets/owner/name/`; another branch or tag is the folder `name@branch`. Node alone, no packages.
 */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { main, Plain, say } from "../house.mjs";
import { openHub } from "./open.mjs";

const usage = "npm run hub -- DIR [--port N] [--host ADDRESS] [--token hf_…[=user]] [--rate MB/S] [--faults]";

await main(async () => {
  const { dir, port, ...options } = told(process.argv.slice(2));
  const hub = await openHub({ dir, port, ...options }).catch((error) => {
    if (error?.code === "EADDRINUSE") throw new Plain(`Port ${port} (or one of the two after it) is taken. Name another with --port.`);
    throw error;
  });
  console.log(`The Hub is at ${hub.url}, its dataset viewer at ${hub.viewer}`);
  say(`${hub.repositories.list("model").length} models and ${hub.repositories.list("dataset").length} datasets of ${dir}. Large files come from ${hub.cdn}.`);
  say("Python and the command line take HF_ENDPOINT (and HF_VIEWER_ENDPOINT, where datasets-server.localhost is not found), the page its settings “hub” and “viewer”. Ctrl-C ends it.");
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
});

function told(args) {
  const { values, positionals } = read(args);
  const [dir] = positionals;
  if (!dir || positionals.length > 1) throw new Plain(`Name one folder that holds owner/name/… folders: ${usage}`, 2);
  if (!existsSync(dir) || !statSync(dir).isDirectory()) throw new Plain(`${dir} is no folder. ${usage}`, 2);
  const port = Number(values.port ?? 8090);
  if (!Number.isInteger(port) || port < 0 || port > 65_533) throw new Plain(`--port says ${values.port}; it must be a number from 0 to 65533.`, 2);
  const rate = values.rate === undefined ? undefined : Number(values.rate) * 1e6;
  if (rate !== undefined && !(rate > 0)) throw new Plain(`--rate says ${values.rate}; it must be a number of megabytes a second.`, 2);
  const tokens = Object.fromEntries((values.token ?? ["hf_local"]).map((one) => [one.split("=")[0], one.split("=")[1] ?? "local"]));
  return { dir: path.resolve(dir), port, host: values.host ?? "127.0.0.1", tokens, rate, faults: values.faults ?? false };
}

function read(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        token: { type: "string", multiple: true },
        rate: { type: "string" },
        faults: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new Plain(`${error.message.split(". ")[0]}. ${usage}`, 2);
  }
}
