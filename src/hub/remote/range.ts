/** A file on the Hub, some bytes at a time: headers are read this way before anything is downloaded. */
import type { ByteSource } from "../../checkpoint/safetensors/source.ts";
import { LabError } from "../../lib/error.ts";
import type { Connection, Subject } from "./connection.ts";

export class RemoteBytes implements ByteSource {
  /** Bytes that came. */
  received = 0;
  /** Where the Hub sent us for it: asked straight for what follows, for as long as that is answered. */
  #direct: string | null = null;

  constructor(private readonly connection: Connection, private readonly url: string, private readonly subject: Subject, readonly size: number) {}

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (end <= begin) return new Uint8Array(0);
    const direct = this.#direct;
    if (direct === null) return this.#read(this.url, begin, end);
    return this.#read(direct, begin, end).catch(() => {
      this.#direct = null; // such addresses are good for some minutes
      return this.#read(this.url, begin, end);
    });
  }

  #read(url: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const { name } = this.subject;
    return this.connection.ask(
      url,
      this.subject,
      async (response) => {
        const whole = response.status === 200 && begin === 0 && end === this.size;
        if (!whole && response.status !== 206) {
          void response.body?.cancel();
          throw new LabError("length-mismatch", `${name} comes whole where some bytes of it were asked for (HTTP ${response.status}): this Hub or mirror knows no ranges. Take another.`, { details: { file: name } });
        }
        const bytes = new Uint8Array(await response.arrayBuffer());
        this.received += bytes.length;
        // Content-Range may be hidden by the origin that large files come from; length always tells.
        const range = response.headers.get("Content-Range");
        if (bytes.length !== end - begin || (!whole && range !== null && !range.startsWith(`bytes ${begin}-${end - 1}/`))) {
          if (bytes.length < end - begin) throw new TypeError(`${bytes.length} of ${end - begin} bytes`);
          throw new LabError("length-mismatch", `${name}: bytes ${begin} to ${end - 1} were asked for, ${bytes.length} others came. Try again, or take another mirror.`, { details: { file: name } });
        }
        if (response.redirected) this.#direct = response.url;
        return bytes;
      },
      { headers: { Range: `bytes=${begin}-${end - 1}` }, cache: "no-store" },
    );
  }
}
