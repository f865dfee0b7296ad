/**
 * A run in a URL's hash: recipe, what every evaluation scored, digests. One version byte, then raw deflate over
 * link/pack.ts, in base64url. A link comes from strangers: it is measured before and after inflating, parsed into fresh
 * objects, and its recipe passes the schema like any other. It starts nothing.
 */
import { deflateSync, Inflate } from "fflate";
import { LabError } from "../lib/error.ts";
import type { Journal } from "../threads/merge.ts";
import { pack, unpack } from "./link/pack.ts";
import { parseRecipe, type Recipe } from "./schema.ts";

export interface SharedRun {
  readonly recipe: Recipe;
  /** Empty: settings alone are shared. */
  readonly rows: Journal["rows"];
  /** By run id. */
  readonly digests: Readonly<Record<string, string>>;
}

const VERSION = 1;
/** Characters of a link: several times the longest that a sensible run makes. */
const MOST_CHARACTERS = 200_000;
const MOST_BYTES = 2_000_000;

/** Without a leading "#". Rows keep what the search was told; fitness and scores come back bit for bit. */
export function encodeLink(shared: SharedRun): string {
  const body = deflateSync(pack(shared), { level: 9, mem: 8 });
  const bytes = new Uint8Array(body.length + 1);
  bytes[0] = VERSION;
  bytes.set(body, 1);
  return toBase64url(bytes);
}

/** A leading "#" is allowed. Anything that is not a whole, sane link: LabError "bad-recipe". */
export function decodeLink(text: string): SharedRun {
  const code = text.startsWith("#") ? text.slice(1) : text;
  if (code.length > MOST_CHARACTERS) throw badLink(`is ${code.length} characters long; links have at most ${MOST_CHARACTERS}`);
  const bytes = fromBase64url(code);
  if (bytes[0] !== VERSION) throw badLink(`is of version ${bytes[0] ?? "none"}, and this release reads version ${VERSION}`);
  const raw = inflate(bytes.subarray(1));
  try {
    return unpack(raw, parseRecipe);
  } catch (error) {
    if (error instanceof LabError) throw error;
    throw badLink(error instanceof Error ? error.message : "cannot be read", error);
  }
}

function badLink(problem: string, cause?: unknown): LabError {
  return new LabError("bad-recipe", `The shared link ${problem}. Ask for it again, or open the recipe as a file.`, { cause });
}

/** Chunk by chunk, so that a bomb is noticed before it has filled the memory. */
function inflate(body: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  let [length, ended] = [0, false];
  try {
    const inflater = new Inflate((chunk, final) => {
      chunks.push(chunk);
      length += chunk.length;
      ended = final;
    });
    for (let from = 0; from < body.length || from === 0; from += 512) {
      inflater.push(body.subarray(from, from + 512), from + 512 >= body.length);
      if (length > MOST_BYTES) throw new RangeError("too long");
    }
  } catch (error) {
    throw badLink(length > MOST_BYTES ? `unpacks to more than ${MOST_BYTES} bytes` : "is damaged or cut short", error);
  }
  if (!ended) throw badLink("is cut short");
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function toBase64url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64url(code: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]+$/.test(code)) throw badLink("holds characters that links never have");
  try {
    return Uint8Array.from(atob(code.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch (error) {
    throw badLink("is damaged or cut short", error);
  }
}
