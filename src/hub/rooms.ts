/** The rooms this browser has: a file may have been kept in one before there was the other. */
import { ChunkRoom } from "./chunks.ts";
import { DiskRoom } from "./disk.ts";
import type { Room } from "./room.ts";
import type { Store } from "./store.ts";

export class Rooms {
  readonly chunks: Room;
  readonly #disk: Promise<Room | null>;

  constructor(database: string, store: Store) {
    this.chunks = new ChunkRoom(database, store);
    this.#disk = DiskRoom.open(database);
  }

  async of(kind: Room["kind"] = "chunks"): Promise<Room | null> {
    return kind === "chunks" ? this.chunks : this.#disk;
  }

  /** For what comes now. */
  async best(): Promise<Room> {
    return (await this.#disk) ?? this.chunks;
  }

  async all(): Promise<Room[]> {
    const disk = await this.#disk;
    return disk ? [disk, this.chunks] : [this.chunks];
  }
}
