/** What the Hub tells of a repository at one commit: its files with their digests, licence, base models. Checked here, at the door. */
import { listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { LabError } from "../../lib/error.ts";
import { isInside } from "../paths.ts";
import type { Connection, Subject } from "./connection.ts";

export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** Of files the Hub stores apart. */
  readonly sha256?: string;
  /** Git's digest, of the others. */
  readonly git?: string;
}

export interface RepositoryFacts {
  readonly id: string;
  /** 40 hex. */
  readonly commit: string;
  readonly private: boolean;
  readonly gated: boolean;
  readonly licence: string | null;
  readonly baseModels: readonly string[];
  readonly files: readonly RemoteFile[];
}

/** More is no model but an archive of one's training. */
const FILES_MAX = 20_000;

const sha1 = z.string().regex(/^[0-9a-f]{40}$/);
const words = z.union([z.string().max(2000), z.array(z.string().max(2000)).max(1000)]).transform((value) => [value].flat());
const info = z.object({
  sha: sha1,
  private: z.boolean().default(false),
  gated: z.union([z.boolean(), z.string()]).default(false).transform(Boolean),
  cardData: z.object({ license: words.nullish(), license_name: z.string().nullish(), base_model: words.nullish() }).catch({}).nullish(),
});
const entry = z.object({
  type: z.string(),
  path: z.string().max(4096).refine(isInside, "a path inside the repository"),
  size: z.int().min(0),
  oid: sha1.optional(),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
});
/** As it is kept between visits. */
export const factsSchema: z.ZodType<RepositoryFacts> = z.object({
  id: z.string(),
  commit: sha1,
  private: z.boolean(),
  gated: z.boolean(),
  licence: z.string().nullable(),
  baseModels: z.array(z.string()),
  files: z.array(z.object({ path: z.string().refine(isInside), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/).exactOptional(), git: sha1.exactOptional() })),
});

export const pageOf = (connection: Connection, id: string): string => `${connection.address.hub}/${id}`;

/** Two requests (one more for every thousand files). The list is of the very commit that the revision stood for. */
export async function describe(connection: Connection, id: string, revision: string): Promise<RepositoryFacts> {
  const subject = { name: revision === "main" ? id : `${id}@${revision}`, page: pageOf(connection, id) };
  const { sha: commit, private: hidden, gated, cardData } = checked(info, await ask(connection, subject, (given) => modelInfo({ name: id, revision, ...given, additionalFields: ["sha", "cardData"] })), subject);
  const files: RemoteFile[] = [];
  await ask(connection, subject, async (given) => {
    files.length = 0;
    for await (const row of listFiles({ repo: { type: "model", name: id }, revision: commit, recursive: true, ...given })) {
      const { type, path, size, oid, lfs } = checked(entry, row, subject);
      if (type !== "file") continue;
      if (files.length === FILES_MAX) throw new LabError("not-found", `${id} has more than ${FILES_MAX} files. Name a repository with the model alone.`);
      files.push({ path, bytes: lfs?.size ?? size, ...(lfs ? { sha256: lfs.oid } : oid === undefined ? {} : { git: oid }) });
    }
  });
  const licence = cardData?.license?.[0] ?? null;
  return { id, commit, private: hidden, gated, licence: licence === "other" && cardData?.license_name ? cardData.license_name : licence, baseModels: cardData?.base_model ?? [], files };
}

/** The Hub's client over our connection: it never sees the token, and a `Link` to another origin gets none. */
async function ask<T>(connection: Connection, subject: Subject, work: (given: { hubUrl: string; fetch: typeof fetch }) => Promise<T>): Promise<T> {
  const over = (input: RequestInfo | URL, init: RequestInit = {}) => connection.ask(String(input), subject, async (response) => new Response(jsonOf(await response.text(), connection), response), { ...init, cache: "no-cache" });
  return work({ hubUrl: connection.address.hub, fetch: over });
}

function jsonOf(text: string, { address: { hub } }: Connection): string {
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    const what = /^\s*</.test(text) ? "a web page" : "something that is no JSON";
    throw new LabError("offline", `${hub} answers with ${what} where the Hub's list of files should be. The network may want a login first, or the setting hub names no Hub.`, { cause });
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, { name }: Subject): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new LabError("unknown-model", `What the Hub tells of ${name} is not as it should be (${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "invalid"}). If it is a mirror, try another.`);
}
