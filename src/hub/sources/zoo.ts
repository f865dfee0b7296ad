/** Bundled families: `zoo/<family>/<name>` beside the site; family.json lists every file with its length and SHA-256. */
import { bytesSource } from "../../checkpoint/safetensors/source.ts";
import { LabError } from "../../lib/error.ts";
import type { HubProgress, ZooFamily } from "../../threads/hub.ts";
import { parseFamily, parseZooIndex } from "../family.ts";
import { isInside } from "../paths.ts";
import type { FolderFile, Place, Source } from "./source.ts";

const shape = /^zoo\/([a-z0-9][a-z0-9_-]*)\/([a-z0-9][a-z0-9_-]*)$/;

export const zoo: Source = {
  matches: (reference) => reference.startsWith("zoo/"),
  async open(reference, place) {
    const [, familyId, name] = shape.exec(reference) ?? [];
    if (!familyId || !name) throw new LabError("unknown-model", `"${reference.slice(0, 120)}" is no bundled model: write zoo/<family>/<name>, such as zoo/glyphs/base.`);
    const family = await readFamily(familyId, place);
    const under = `${name}/`;
    const files = Object.entries(family.files).flatMap(([path, file]) => (path.startsWith(under) ? [{ path: path.slice(under.length), ...file }] : []));
    if (files.length === 0) {
      const known = [family.base, ...family.experts].map((model) => model.model);
      throw new LabError("unknown-model", `The family ${familyId} has no ${name}. It has ${known.join(", ")}.`, { details: { reference, known } });
    }
    const read = (path: string, onProgress?: HubProgress) => readListed(family, path, place, onProgress);
    const { names } = family;
    return {
      reference,
      files,
      family,
      read: (path, onProgress) => read(under + path, onProgress),
      async open(path, onProgress) {
        const { bytes, sha256, downloaded } = await read(under + path, onProgress);
        return { source: bytesSource(bytes), sha256, downloaded };
      },
      ...(names ? { readNames: () => read(names) } : {}),
    };
  },
};

export async function readFamilies(place: Place): Promise<ZooFamily[]> {
  const ids = parseZooIndex(await place.shelf.latest(`${place.options.assets}zoo/index.json`, "zoo/index.json"), "zoo/index.json");
  return Promise.all(ids.map((id) => readFamily(id, place)));
}

async function readFamily(id: string, { options, shelf }: Place): Promise<ZooFamily> {
  const name = `zoo/${id}/family.json`;
  return parseFamily(await shelf.latest(`${options.assets}${name}`, name), name);
}

async function readListed(family: ZooFamily, path: string, { options, shelf }: Place, onProgress?: HubProgress): Promise<FolderFile> {
  const listed = family.files[path];
  const name = `zoo/${family.family}/${path}`;
  if (!listed || !isInside(path)) throw new LabError("not-found", `zoo/${family.family}/family.json lists no ${path}.`, { details: { path } });
  return shelf.file({ url: `${options.assets}zoo/${family.family}/${path.split("/").map(encodeURIComponent).join("/")}`, name, ...listed }, onProgress);
}
