/** Kinds of places, by what an order says. */
import type { SinkOrder } from "../../threads/streaming.ts";
import { directorySink } from "./directory.ts";
import { memorySink } from "./memory.ts";
import { hasOpfs, opfsSink } from "./opfs.ts";
import type { Sink } from "./sink.ts";

export async function openSink(order: SinkOrder | undefined): Promise<Sink> {
  const kind = order?.kind ?? (hasOpfs() ? "opfs" : "memory");
  if (order?.kind === "directory") return directorySink(order.handle);
  return kind === "opfs" ? opfsSink() : memorySink();
}
