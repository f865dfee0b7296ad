/** `npm start`: installs what is missing, builds when sources changed, serves, prints the address. PORT and HOST are heard. */
import { main, Plain, say } from "./house.mjs";
import { ensureInstalled } from "./install.mjs";
import { serve } from "./serve.mjs";

await main(async () => {
  const asked = process.env.PORT;
  if (asked && !/^\d{1,5}$/.test(asked)) throw new Plain(`PORT says ${asked}; it must be a number.`);
  ensureInstalled();
  const { ensureBuilt } = await import("./build.mjs");
  const root = await ensureBuilt();
  const hosts = process.env.HOST ? [process.env.HOST] : ["127.0.0.1", "::1"];
  const server = asked ? await serveAt(root, hosts, Number(asked)) : await serveNear(root, hosts, 8080);
  console.log(`Murmuration is at ${server.url}`);
  say("Ctrl-C ends it.");
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
});

async function serveAt(root, hosts, port) {
  try {
    return await serve({ root, hosts, port });
  } catch (error) {
    if (error.code === "EADDRINUSE") throw new Plain(`Port ${port} is taken. Set PORT to another, or leave it out.`);
    if (error.code === "EACCES") throw new Plain(`Port ${port} may not be opened by this user. Set PORT to one above 1024.`);
    throw error;
  }
}

/** The first free port from `port` on. */
async function serveNear(root, hosts, port) {
  for (let at = port; at < port + 50; at++) {
    try {
      return await serve({ root, hosts, port: at });
    } catch (error) {
      if (error.code !== "EADDRINUSE" && error.code !== "EACCES") throw error;
    }
  }
  return serve({ root, hosts, port: 0 });
}
