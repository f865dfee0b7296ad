/** Where the bytes of large files lie: in the origin's own file system, or, where a browser has none for threads, in IndexedDB. */
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import type { MountedFile } from "../threads/hub.ts";

/** Files are written a piece at a time, each at a multiple of this: one fills while others are on their way. */
export const PIECE_BYTES = 4 << 20;

/** For other threads. */
export type Whereabouts = Pick<MountedFile, "blob" | "stored" | "kept">;

export interface Room {
  /** In a row of the cache, so that another visit finds it there. */
  readonly kind: "disk" | "chunks";
  /** Nobody else may write it meanwhile. */
  begin(key: string): Promise<Writing>;
  /** null: not there, or shorter. */
  open(key: string, name: string, bytes: number): Promise<{ source: ByteSource; place(): Promise<Whereabouts> } | null>;
  /** false: somebody reads it just now. */
  delete(key: string): Promise<boolean>;
  clear(): Promise<void>;
  /** Of all files that lie there, accounted for or not. */
  keys(): Promise<string[]>;
}

/** One file while it comes. */
export interface Writing {
  /** Bytes that lie there from an earlier visit; it may be more than was accounted for. */
  readonly held: number;
  /** `at`: a multiple of PIECE_BYTES. The array must stay as it is until this settles. */
  put(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Nothing of it is there any more. */
  reset(): Promise<void>;
  /** To be called once nothing is written any more. */
  close(): Promise<void>;
}
