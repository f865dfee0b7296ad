/** Files in memory, handed over as downloads: where a browser has neither folders nor a file system of the origin. */
import { LabError } from "../../lib/error.ts";
import type { Sink } from "./sink.ts";

const MOST_BYTES = 1e9;

export function memorySink(): Sink {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let total = 0;
  return {
    handsOver: true,
    async create(path, bytes) {
      total += bytes;
      if (total > MOST_BYTES) {
        throw new LabError("out-of-memory", `The merged model is larger than the ${MOST_BYTES / 1e9} GB that this browser can hold in memory, and it offers no folder to write to. Take a browser with the File System Access API, or the command line.`, { details: { path, bytes } });
      }
      const file = new Uint8Array(bytes);
      files.set(path, file);
      return { write: async (at, part) => file.set(part, at), close: async () => undefined };
    },
    async file(path) {
      return new Blob([files.get(path) ?? new Uint8Array(0)]);
    },
    async abort() {
      files.clear();
    },
  };
}
