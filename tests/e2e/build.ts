/** Once for all end-to-end tests: the built site, in a place where nothing else rebuilds it. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ensureBuilt } from "../../tools/build.mjs";

export default async function build(): Promise<() => void> {
  const given = process.env.MURMURATION_DIST;
  if (given) return () => undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "murmuration-site-"));
  cpSync(await ensureBuilt(), folder, { recursive: true });
  process.env.MURMURATION_DIST = folder; // seen by the tests and by the command lines they start
  return () => rmSync(folder, { recursive: true, force: true });
}
