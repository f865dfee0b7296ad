/** Threads that take the next piece of work when they are free and there is room in memory for it. */

export interface Piece {
  /** Of the budget, while it is under way. */
  readonly heldBytes: number;
}

/**
 * In the order given, but a piece that has no room lets smaller ones pass while others hold memory; one larger than the whole budget waits until it is alone.
 * Rejects with the first failure; pieces under way are not waited for then.
 */
export async function inPool<P extends Piece>(pieces: readonly P[], threads: number, budgetBytes: number, work: (piece: P, thread: number) => Promise<void>): Promise<void> {
  const waiting = [...pieces];
  const free = Array.from({ length: threads }, (_, thread) => thread);
  let held = 0;
  let underway = 0;
  await new Promise<void>((resolve, reject) => {
    const next = () => {
      while (free.length > 0 && waiting.length > 0) {
        const at = waiting.findIndex(({ heldBytes }) => underway === 0 || held + heldBytes <= budgetBytes);
        if (at < 0) return;
        const [piece] = waiting.splice(at, 1) as [P]; // at was found
        const thread = free.shift() as number; // there is one
        held += piece.heldBytes;
        underway++;
        work(piece, thread).then(() => {
          held -= piece.heldBytes;
          underway--;
          free.push(thread);
          next();
        }, (error: unknown) => {
          waiting.length = 0;
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      }
      if (waiting.length === 0 && underway === 0) resolve();
    };
    next();
  });
}
