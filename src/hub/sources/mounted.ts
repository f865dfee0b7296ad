/** Folders outside the site: dropped on the page (blobs), or served by the command line (addresses). Never cached. */
import { blobSource, urlSource } from "../../checkpoint/safetensors/source.ts";
import { sha256 } from "../../lib/bytes.ts";
import { LabError } from "../../lib/error.ts";
import { download } from "../download.ts";
import type { Source } from "./source.ts";

const isLocal = (reference: string): boolean => /^(\.{1,2})?\//.test(reference) || reference === "." || reference === "..";

export const mounted: Source = {
  matches: (reference, { mounts }) => Object.hasOwn(mounts, reference) || isLocal(reference),
  async open(reference, { options }) {
    const files = Object.hasOwn(options.mounts, reference) ? options.mounts[reference] : undefined;
    if (!files) {
      throw new LabError("unknown-model", `The folder ${reference} was not given. On the page, drop it; on the command line, its path is relative to the recipe.`, { details: { reference } });
    }
    const find = (path: string) => {
      const file = files.find((one) => one.path === path);
      if (!file?.blob && !file?.url) throw new LabError("not-found", `There is no ${path} in ${reference}.`, { details: { reference, path } });
      return { file, name: `${reference}/${path}` };
    };
    return {
      reference,
      files: files.map(({ path, bytes }) => ({ path, bytes })),
      async where(path) {
        const { blob, url = "", stored } = find(path).file;
        return blob ? { blob, ...(stored === undefined ? {} : { stored }) } : { url };
      },
      async open(path) {
        const { file, name } = find(path);
        if (file.blob) return { source: blobSource(file.blob, name), sha256: null, downloaded: 0 };
        return { source: await urlSource(file.url ?? "", { name, size: file.bytes }), sha256: null, downloaded: 0 };
      },
      async read(path, onProgress) {
        const { file, name } = find(path);
        if (file.blob) {
          const bytes = new Uint8Array(await file.blob.arrayBuffer());
          onProgress?.({ file: name, state: "cached", loaded: bytes.length, total: bytes.length });
          return { bytes, sha256: await sha256(bytes), downloaded: 0 };
        }
        return { ...(await download({ url: file.url ?? "", name, bytes: file.bytes }, onProgress)), downloaded: 0 };
      },
    };
  },
};
