/**
 * Where a model or a sample set comes from: `zoo/family/name`, `owner/name[@revision]`, a path, and `+…` for a LoRA on it.
 * Parsed by a narrow grammar, so that a reference from a link can never become markup, a query or a way out of a folder.
 */
import { LabError } from "./error.ts";
import { show } from "./words.ts";

export type PlainReference =
  | { readonly kind: "zoo"; readonly family: string; readonly name: string }
  | { readonly kind: "hub"; readonly owner: string; readonly name: string; readonly revision: string | null }
  /** Relative to the recipe on the command line; dropped files on the page. */
  | { readonly kind: "path"; readonly path: string; readonly absolute: boolean };

export type Reference = PlainReference & { readonly text: string; readonly adapter: PlainReference | null };

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
const REVISION = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;
// Control characters, markup, quotes, and what means something in a URL or a shell.
const UNSAFE = /[\u0000-\u001f\u007f<>"'`&?#%*|\\\u2028\u2029]/;

const FORMS = "write zoo/family/name, owner/name or owner/name@revision, or a path that begins with ./, ../ or /";

/** What is wrong with a reference as a predicate ("must …"), or null. */
export function referenceProblem(text: string): string | null {
  const parsed = parse(text);
  return typeof parsed === "string" ? parsed : null;
}

export function parseReference(text: string): Reference {
  const parsed = parse(text);
  if (typeof parsed === "string") throw new LabError("bad-recipe", `The reference ${show(text)} ${parsed}.`);
  return parsed;
}

function parse(text: string): Reference | string {
  if (text.length > 512) return "is longer than 512 characters";
  if (text.trim() !== text || text === "") return `is empty or begins or ends with a space: ${FORMS}`;
  if (UNSAFE.test(text)) return `holds a character that references never have: ${FORMS}`;
  const plus = text.lastIndexOf("+");
  const whole = plus < 0 ? null : { model: plain(text.slice(0, plus)), adapter: plain(text.slice(plus + 1)) };
  if (whole !== null && typeof whole.adapter !== "string") {
    return typeof whole.model === "string" ? whole.model : { ...whole.model, text, adapter: whole.adapter };
  }
  const model = plain(text);
  if (typeof model === "string") return model;
  return { ...model, text, adapter: null };
}

function plain(text: string): PlainReference | string {
  if (text.startsWith("./") || text.startsWith("../") || text.startsWith("/")) return path(text);
  if (/\s/.test(text)) return `holds a space: ${FORMS}`;
  const [names = "", revision, ...more] = text.split("@");
  const parts = names.split("/");
  if (parts.some((part) => part === ".." || part.includes(".."))) return `holds "..", which leads out of its place: ${FORMS}`;
  if (more.length > 0 || parts.some((part) => !NAME.test(part))) return `is no model reference: ${FORMS}`;
  const [owner = "", name = "", third] = parts;
  if (owner === "zoo") {
    if (parts.length !== 3 || third === undefined || revision !== undefined) return "must be zoo/family/name for a bundled model";
    return { kind: "zoo", family: name, name: third };
  }
  if (parts.length !== 2) return `is no model reference: ${FORMS}`;
  if (revision !== undefined && (!REVISION.test(revision) || revision.includes(".."))) return "must have a branch, tag or commit after @";
  return { kind: "hub", owner, name, revision: revision ?? null };
}

function path(text: string): PlainReference | string {
  const parts = text.split("/");
  const inner = parts.findIndex((part) => part !== ".." && part !== ".");
  if (parts.slice(Math.max(inner, 0)).includes("..")) return 'may have ".." only at its beginning';
  return { kind: "path", path: text, absolute: text.startsWith("/") };
}
