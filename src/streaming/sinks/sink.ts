/** Where a merge writes: files of known length, their parts in any order. */
import { LabError } from "../../lib/error.ts";

export interface SinkFile {
  /** `bytes` are the caller's again when the promise resolves. */
  write(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The file is whole. */
  close(): Promise<void>;
}

export interface Sink {
  create(path: string, bytes: number): Promise<SinkFile>;
  /** A closed file, to be read. */
  file(path: string): Promise<Blob>;
  /** Whether the page can read the files later on: not in a folder that somebody chose. */
  readonly handsOver: boolean;
  /** Throws all files away, the finished ones too. */
  abort(): Promise<void>;
}

/** What a browser says of a write that failed, in a sentence. */
export function writeFailed(error: unknown, path: string, bytes: number): LabError {
  const name = error instanceof DOMException ? error.name : "";
  const size = `${(bytes / 1e9).toFixed(2)} GB`;
  if (name === "QuotaExceededError") {
    return new LabError("quota", `${path} (${size}) could not be written: the browser gives this site no more room. Free some of the disk, clear the site's cache of models, or merge into a folder.`, { cause: error, details: { path, bytes } });
  }
  if (name === "NotAllowedError") return new LabError("quota", `${path} could not be written: the folder may not be written to any more. Choose it again and allow changes.`, { cause: error, details: { path } });
  return new LabError("run-failed", `${path} could not be written (${error instanceof Error ? error.message : String(error)}). Try again, or choose another place.`, { cause: error, details: { path } });
}
