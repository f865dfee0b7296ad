/** Threads that take the next piece of work when they are free. */

/** In the order given. Rejects with the first failure; pieces under way are not waited for then. */
export async function inPool<P>(pieces: readonly P[], threads: number, work: (piece: P, thread: number) => Promise<void>): Promise<void> {
  const waiting = [...pieces];
  const take = async (thread: number): Promise<void> => {
    for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
      try {
        await work(piece, thread);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: threads }, (_, thread) => take(thread)));
}
