/** One at a time over all tabs and threads of this site (Web Locks). Without them (an insecure page, Node) each tab is on its own, which wastes a download but breaks nothing. */
const locks = (): LockManager | undefined => (globalThis.navigator as Navigator | undefined)?.locks as LockManager | undefined;

export function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const manager = locks();
  return manager ? (manager.request(name, work) as Promise<T>) : work();
}

/** Whether somebody is at it right now. */
export async function taken(name: string): Promise<boolean> {
  const manager = locks();
  if (!manager) return false;
  return await manager.request(name, { ifAvailable: true }, (lock) => Promise.resolve(lock === null));
}
