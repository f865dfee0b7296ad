/** Opens the three origins of a Hub: the Hub itself, where its large files lie, and the dataset viewer. */
import { createServer } from "node:http";
import { Access } from "./access.mjs";
import { Answer, Refusal } from "./answer.mjs";
import { Faults } from "./faults.mjs";
import { readingRoutes } from "./reading.mjs";
import { Repositories } from "./repositories.mjs";
import { LargeFiles } from "./large.mjs";
import { viewerRoutes } from "./viewer.mjs";
import { writingRoutes } from "./writing.mjs";

/** Who knows only the Hub's address looks for the viewer at `datasets-server.` before its host; `*.localhost` is this machine, too. */
const isViewers = ({ headers }) => headers.host?.startsWith("datasets-server.") ?? false;

/**
 * @param {object} options
 * @param {string} options.dir holds `owner/name/…` and `datasets/owner/name/…`
 * @param {number} [options.port] of the Hub; large files and viewer get the two after it. 0: any free ones
 * @param {string} [options.host] address to listen on
 * @param {Record<string, string>} [options.tokens] token → user
 * @param {number} [options.largeBytes] files from this size on are stored apart, as with Git LFS
 * @param {number} [options.pageSize] files a page of a listing
 * @param {number} [options.rate] bytes a second a connection may take
 * @param {boolean} [options.faults] open `POST /.faults` and `GET /.log` to everybody who can reach the port
 */
export async function openHub({ dir, port = 0, host = "127.0.0.1", tokens = { hf_local: "local" }, largeBytes = 10_000_000, pageSize = 1000, rate, faults: open = false }) {
  const faults = new Faults();
  /** @type {{ on: "hub" | "cdn" | "viewer", method: string, path: string, range: string | null, authorized: boolean, status: number, sent: number }[]} */
  const log = [];
  const access = new Access(tokens);
  const repositories = new Repositories(dir, largeBytes);
  const origins = { hub: "", cdn: "", viewer: "" };
  const large = new LargeFiles(repositories, origins);
  const given = { access, repositories, large, origins, pageSize };
  const routes = {
    hub: [...(open ? adminRoutes(faults, log) : []), ...writingRoutes(given), ...readingRoutes(given)],
    cdn: large.routes(),
    viewer: viewerRoutes(given),
  };

  const servers = [];
  for (const [i, on] of /** @type {("hub" | "cdn" | "viewer")[]} */ (["hub", "cdn", "viewer"]).entries()) {
    const server = createServer((request, response) => {
      const asked = on === "hub" && isViewers(request) ? "viewer" : on;
      void serveOne(asked, routes[asked], new Answer(request, response, { on: asked, faults, log, rate }));
    });
    await new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port ? port + i : 0, host, () => resolve(undefined));
    });
    const at = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
    origins[on] = `http://${host === "127.0.0.1" || host === "::1" || host === "0.0.0.0" ? "localhost" : host}:${at}`;
    servers.push(server);
  }
  return {
    url: origins.hub,
    cdn: origins.cdn,
    viewer: origins.viewer,
    faults,
    log,
    repositories,
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    },
  };
}

async function serveOne(on, routes, answer) {
  try {
    if (answer.method === "OPTIONS") return answer.preflight();
    if (await answer.faulty()) return;
    for (const { method, pattern, handle } of routes) {
      const match = method.includes(answer.method) ? pattern.exec(answer.path) : null;
      if (match) return await handle(answer, match.groups ?? {});
    }
    answer.refuse(404, on === "hub" ? "Sorry, we can't find the page you are looking for." : "Not found");
  } catch (error) {
    if (error instanceof Refusal) answer.refuse(error.status, error.message, error.code, error.headers);
    else if (error instanceof URIError || error instanceof SyntaxError) answer.refuse(400, "Invalid request");
    else answer.fail(error);
  }
}

const adminRoutes = (faults, log) => [
  {
    method: "POST",
    pattern: /^\/\.faults$/,
    handle: async (answer) => {
      faults.add(await answer.readJson());
      answer.json({ ok: true });
    },
  },
  {
    method: "DELETE",
    pattern: /^\/\.faults$/,
    handle: (answer) => {
      faults.clear();
      log.length = 0;
      answer.json({ ok: true });
    },
  },
  { method: "GET", pattern: /^\/\.log$/, handle: (answer) => answer.json(log) },
];
