/** Where the Hub is: huggingface.co, a mirror, or one on this machine (`npm run hub`). */
import { LabError } from "../../lib/error.ts";

export interface HubAddress {
  /** Without a slash at its end. */
  readonly hub: string;
  /** The dataset viewer, an origin of its own. */
  readonly viewer: string;
}

export const THE_HUB = "https://huggingface.co";

/** `viewer` left out: where the Hub's own libraries look for it, `datasets-server.` before the host. */
export function hubAddress(hub: string = THE_HUB, viewer?: string): HubAddress {
  const address = checked(hub, "hub");
  const { protocol, host } = new URL(address);
  return { hub: address, viewer: viewer === undefined ? `${protocol}//datasets-server.${host}` : checked(viewer, "viewer") };
}

function checked(text: string, setting: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new LabError("bad-arguments", `The setting ${setting} must be an address such as ${THE_HUB}, without a name, password or question mark in it.`);
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}
