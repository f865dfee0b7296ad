/**
 * SHA-256 of files while they download, in a thread of its own where there is one: buffers are lent to it, not copied. Several files at a
 * time share it. In Node, and where a worker cannot start, the same is done in place.
 */
import { createSHA256, type IHasher } from "hash-wasm";

type Bytes = Uint8Array<ArrayBuffer>;

/** Of one file. Calls answer in order. */
export interface Digest {
  /** Goes on after a state that `update` gave; rejects where it is of another version. */
  load(state: Uint8Array): Promise<void>;
  /** Lends a buffer until it is hashed: it comes back whole, under another name, with the state after it. */
  update(bytes: Bytes): Promise<{ buffer: ArrayBuffer; state: Uint8Array }>;
  /** Hexadecimal; nothing may be added afterwards. */
  hex(): Promise<string>;
  /** From the beginning. */
  reset(): Promise<void>;
  close(): void;
}

type Order = { do: "load"; state: Uint8Array } | { do: "update"; buffer: ArrayBuffer; length: number } | { do: "hex" } | { do: "reset" } | { do: "close" };
interface Answer {
  readonly buffer?: ArrayBuffer;
  readonly state?: Uint8Array;
  readonly hex?: string;
}
type Told = { file: number } & (Answer | { error: string });

interface Side {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

const READY = "ready";

/** In the thread. */
export function serveDigests(side: Side): void {
  const hashers = new Map<number, IHasher>();
  let line: Promise<unknown> = Promise.resolve();
  const answer = async (file: number, order: Order) => {
    const told = (rest: Answer | { error: string }, transfer: Transferable[] = []) => side.postMessage({ file, ...rest } satisfies Told, transfer);
    try {
      const hasher = hashers.get(file) ?? (await createSHA256());
      hashers.set(file, hasher);
      switch (order.do) {
        case "update":
          hasher.update(new Uint8Array(order.buffer, 0, order.length));
          return told({ buffer: order.buffer, state: hasher.save() }, [order.buffer]);
        case "load":
          hasher.load(order.state);
          return told({});
        case "reset":
          hasher.init();
          return told({});
        case "hex":
          return told({ hex: hasher.digest() });
        case "close":
          hashers.delete(file);
      }
    } catch (error) {
      told({ error: String(error) });
    }
  };
  side.onmessage = ({ data }: MessageEvent<{ file: number; order: Order }>) => (line = line.then(() => answer(data.file, data.order)));
  side.postMessage(READY);
}

export async function openDigest(): Promise<Digest> {
  const thread = await (starting ??= start());
  return thread?.open() ?? (await inPlace());
}

let starting: Promise<Thread | null> | null = null;

function start(): Promise<Thread | null> {
  if (typeof Worker === "undefined") return Promise.resolve(null);
  return new Promise((resolve) => {
    try {
      const worker = new Worker(new URL("../../workers/digest.worker.ts", import.meta.url), { type: "module", name: "digest" });
      worker.onerror = (event) => {
        event.preventDefault();
        resolve(null);
      };
      worker.onmessage = () => resolve(new Thread(worker));
    } catch {
      resolve(null); // workers of workers are not everywhere
    }
  });
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

class Thread {
  readonly #waiting = new Map<number, Waiting[]>();
  #files = 0;

  constructor(private readonly worker: Worker) {
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      const next = this.#waiting.get(data.file)?.shift();
      if ("error" in data) next?.reject(new Error(data.error));
      else next?.resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      starting = null; // the next file gets another thread
      for (const one of [...this.#waiting.values()].flat()) one.reject(new TypeError(`The digest thread died: ${event.message}`));
      this.#waiting.clear();
    };
  }

  open(): Digest {
    const file = ++this.#files;
    this.#waiting.set(file, []);
    const ask = (order: Order, transfer: Transferable[] = []) =>
      new Promise<Answer>((resolve, reject) => {
        this.#waiting.get(file)?.push({ resolve, reject });
        this.worker.postMessage({ file, order }, transfer);
      });
    return {
      load: async (state) => void (await ask({ do: "load", state })),
      update: async (bytes) => {
        const { buffer, state } = await ask({ do: "update", buffer: bytes.buffer, length: bytes.length }, [bytes.buffer]);
        if (!buffer || !state) throw new Error("The digest thread kept a buffer.");
        return { buffer, state };
      },
      hex: async () => (await ask({ do: "hex" })).hex ?? "",
      reset: async () => void (await ask({ do: "reset" })),
      close: () => {
        this.#waiting.delete(file);
        this.worker.postMessage({ file, order: { do: "close" } satisfies Order });
      },
    };
  }
}

async function inPlace(): Promise<Digest> {
  const hasher = await createSHA256();
  return {
    load: async (state) => void hasher.load(state),
    update: async (bytes) => (hasher.update(bytes), { buffer: bytes.buffer, state: hasher.save() }),
    hex: async () => hasher.digest(),
    reset: async () => void hasher.init(),
    close: () => undefined,
  };
}
