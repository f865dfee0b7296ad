/** The hub's own IndexedDB database, for idb-keyval. It lets itself be deleted in mid-run and opens anew afterwards. */
import type { UseStore } from "idb-keyval";

const STORE = "files";

export function openStore(database: string): UseStore {
  let opening: Promise<IDBDatabase> | null = null;
  const open = () =>
    (opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(database);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
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

  return async (mode, callback) => {
    let db = await open();
    let transaction: IDBTransaction;
    try {
      transaction = db.transaction(STORE, mode);
    } catch {
      // The connection was closed under us (storage cleared): once more, on a fresh one.
      opening = null;
      db = await open();
      transaction = db.transaction(STORE, mode);
    }
    return callback(transaction.objectStore(STORE));
  };
}
