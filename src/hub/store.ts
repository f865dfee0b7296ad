/**
 * The hub's own IndexedDB database: whole files, chunks of large ones, and how far a download has come. It lets itself be deleted in
 * mid-run and opens anew afterwards. Version 1 had whole files only; they stay.
 */
const VERSION = 2;
const names = ["files", "chunks", "partials"] as const;

export type Stores = Readonly<Record<(typeof names)[number], IDBObjectStore>>;

/** One transaction over all three; resolves when it is committed, so a full disk is an error here. */
export type Store = <T>(mode: IDBTransactionMode, work: (stores: Stores) => Promise<T>) => Promise<T>;

export function openStore(database: string): Store {
  let opening: Promise<IDBDatabase> | null = null;
  const open = () =>
    (opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(database, VERSION);
      request.onupgradeneeded = () => {
        for (const name of names) if (!request.result.objectStoreNames.contains(name)) request.result.createObjectStore(name);
      };
      request.onerror = () => reject(request.error as DOMException);
      request.onsuccess = () => {
        const db = request.result;
        const forget = () => (opening = null);
        db.onclose = forget;
        db.onversionchange = () => {
          db.close();
          forget();
        };
        resolve(db);
      };
    }).catch((error: unknown) => {
      opening = null;
      throw error;
    }));

  return async (mode, work) => {
    let db = await open();
    let transaction: IDBTransaction;
    try {
      transaction = db.transaction(names, mode);
    } catch {
      // The connection was closed under us (storage cleared): once more, on a fresh one.
      opening = null;
      db = await open();
      transaction = db.transaction(names, mode);
    }
    const committed = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject((transaction.error as DOMException | null) ?? new DOMException("The transaction was given up.", "AbortError"));
    });
    committed.catch(() => undefined); // looked at below, once the work is done
    const store = (name: (typeof names)[number]) => transaction.objectStore(name);
    try {
      const result = await work({ files: store("files"), chunks: store("chunks"), partials: store("partials") });
      if (mode === "readwrite") await committed;
      return result;
    } catch (error) {
      // The commit's own reason (QuotaExceededError) says more than the request's (AbortError).
      throw (transaction.error as DOMException | null) ?? error;
    }
  };
}

export function problemOf(error: unknown): "quota" | "unavailable" {
  return (error as Error | null)?.name === "QuotaExceededError" ? "quota" : "unavailable";
}
