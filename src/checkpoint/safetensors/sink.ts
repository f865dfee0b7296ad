/** Where written files go: a folder on the page, in OPFS, behind the command line. The writer knows no more of it than this. */

export interface ByteSink {
  /**
   * Takes the next bytes. They are the caller's again when the promise resolves: not to be kept, transferred or changed.
   * One call at a time.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** The file is whole. */
  close(): Promise<void>;
  /** Throws the file away, also after `close`: a merge that fails in its third shard leaves none. */
  abort(): Promise<void>;
}

/** `bytes`: how long the file will be. */
export type OpenSink = (path: string, bytes: number) => Promise<ByteSink>;

/** Files in memory, by path: for models small enough to be handed over as a download. */
export function memorySinks(): { readonly open: OpenSink; readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>> } {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    files,
    async open(path, bytes) {
      const file = new Uint8Array(bytes);
      let at = 0;
      return {
        async write(part) {
          file.set(part, at);
          at += part.length;
        },
        async close() {
          files.set(path, file.subarray(0, at));
        },
        async abort() {
          files.delete(path);
        },
      };
    },
  };
}
