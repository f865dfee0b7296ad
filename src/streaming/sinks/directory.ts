/** A folder that a person chose. Browsers write beside and rename on close, so nothing half-written is seen under its name. */
import { LabError } from "../../lib/error.ts";
import { type Sink, type SinkFile, writeFailed } from "./sink.ts";

/** Refuses a folder that holds something: nothing is replaced, and what fails leaves it as it was. */
export async function directorySink(folder: FileSystemDirectoryHandle): Promise<Sink> {
  for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
    if (!name.startsWith(".")) throw new LabError("bad-arguments", `${folder.name} is not empty: it holds ${name}. Choose an empty folder, or make a new one.`, { details: { folder: folder.name } });
  }
  const streams = new Map<string, FileSystemWritableFileStream>();
  const created = new Set<string>();
  return {
    handsOver: false,
    async create(path, bytes) {
      try {
        const handle = await folder.getFileHandle(path, { create: true });
        created.add(path);
        const stream = await handle.createWritable();
        streams.set(path, stream);
        await stream.truncate(bytes);
        return writing(stream, path, bytes, () => streams.delete(path));
      } catch (error) {
        throw writeFailed(error, path, bytes);
      }
    },
    async file(path) {
      return (await folder.getFileHandle(path)).getFile();
    },
    async abort() {
      await Promise.allSettled([...streams.values()].map((stream) => stream.abort()));
      streams.clear();
      await Promise.allSettled([...created].map((path) => folder.removeEntry(path)));
      created.clear();
    },
  };
}

function writing(stream: FileSystemWritableFileStream, path: string, whole: number, closed: () => void): SinkFile {
  const heard = (work: Promise<void>) => work.catch((error: unknown) => Promise.reject(writeFailed(error, path, whole)));
  return {
    write: (position, data) => heard(stream.write({ type: "write", position, data })),
    async close() {
      await heard(stream.close());
      closed();
    },
  };
}
