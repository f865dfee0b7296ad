/** Which Hub models come from, and with which token. The address is remembered; the token is not, and follows to no other address. */
import type { Lab } from "../../index.ts";

type Doors = Pick<Lab, "setHub" | "setToken">;

export class HubDoor {
  /** Empty: the Hub itself. */
  address = $state("");
  /** Of its dataset viewer; empty: where the Hub's own libraries look for it. */
  viewer = $state("");
  signedIn = $state(false);
  problem = $state<string | null>(null);
  readonly #key: string;

  constructor(prefix: string) {
    this.#key = `${prefix}:hub`;
  }

  /** As it was left the last time. */
  async restore(lab: Doors): Promise<void> {
    const kept = this.#kept();
    if (kept) await this.setAddress(lab, kept.address, kept.viewer);
  }

  async setAddress(lab: Doors, address: string, viewer: string): Promise<boolean> {
    const [hub, rows] = [address.trim(), viewer.trim()];
    if (hub === this.address && rows === this.viewer) return true;
    return this.#try(async () => {
      await lab.setHub(hub || null, rows || null);
      this.address = hub;
      this.viewer = rows;
      this.signedIn = false;
      this.#keep(hub === "" && rows === "" ? null : JSON.stringify({ address: hub, viewer: rows }));
    });
  }

  async setToken(lab: Doors, token: string | null): Promise<boolean> {
    const text = token?.trim() || null;
    return this.#try(async () => {
      await lab.setToken(text);
      this.signedIn = text !== null;
    });
  }

  async #try(work: () => Promise<void>): Promise<boolean> {
    this.problem = null;
    try {
      await work();
      return true;
    } catch (problem) {
      this.problem = problem instanceof Error ? problem.message : String(problem);
      return false;
    }
  }

  #kept(): { address: string; viewer: string } | null {
    try {
      const { address, viewer } = JSON.parse(localStorage.getItem(this.#key) ?? "null") as Record<string, unknown>;
      return typeof address === "string" && typeof viewer === "string" ? { address, viewer } : null;
    } catch {
      return null; // nothing kept, or storage refused
    }
  }

  #keep(text: string | null): void {
    try {
      if (text === null) localStorage.removeItem(this.#key);
      else localStorage.setItem(this.#key, text);
    } catch {
      // Storage refused: the address holds for this visit.
    }
  }
}
