/**
 * A folder of files into a repository of the Hub: the repository is made where it is not there yet, large files go by LFS, and one commit holds
 * all of it or nothing. The token is used for this and kept nowhere.
 */
import { commitIter, createRepo, HubApiError, repoExists } from "@huggingface/hub";
import { cancelled, LabError } from "../lib/error.ts";
import { parseReference, referenceProblem } from "../lib/reference.ts";
import { show } from "../lib/words.ts";
import type { PushProgress, Pushed } from "../threads/hub.ts";
import { isInside } from "./paths.ts";
import { hubAddress } from "./remote/address.ts";

export interface PushOrder {
  /** "owner/name" */
  readonly repo: string;
  readonly token: string;
  /** Address of the Hub; huggingface.co unless told. */
  readonly hub?: string | undefined;
  /** Of a repository that is made; one that is there stays as it is. */
  readonly private?: boolean;
  /** First line of the commit. */
  readonly summary?: string;
  readonly signal?: AbortSignal;
  /** Paths already in the repository that this folder takes the place of, to be deleted in the same commit. */
  readonly remove?: readonly string[];
  readonly onProgress?: PushProgress;
}

/** `files`: paths relative to the repository; a URL names a file of this machine (Node). */
export async function pushFolder(files: readonly { readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> | Blob | URL }[], order: PushOrder): Promise<Pushed> {
  const { repo, token, signal } = order;
  const { hub } = hubAddress(order.hub);
  if (!isRepository(repo)) throw new LabError("bad-arguments", `${show(repo)} is no name for a repository. Write owner/name.`);
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw new LabError("bad-arguments", "A token is needed to write to the Hub: make one with write access in your settings there, and enter it.");
  const outside = files.find(({ path }) => !isInside(path));
  if (outside || files.length === 0) throw new LabError("internal", outside ? `${show(outside.path)} lies outside the folder.` : "There is nothing to push.");
  const at = { hubUrl: hub, accessToken: token, repo: { type: "model" as const, name: repo } };
  try {
    if (!(await repoExists(at))) await createRepo({ ...at, private: order.private ?? false });
    const steps = commitIter({
      ...at,
      title: order.summary ?? "Merged with Murmuration",
      operations: [
        ...(order.remove ?? []).map((path) => ({ operation: "delete" as const, path })),
        ...files.map(({ path, bytes }) => ({ operation: "addOrUpdate" as const, path, content: bytes instanceof Uint8Array ? new Blob([bytes]) : bytes })),
      ],
      ...(signal ? { abortSignal: signal } : {}),
    });
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return { commit: value?.commit.oid ?? "", url: `${hub}/${repo}` };
      if (value.event === "fileProgress" && value.state !== "error") order.onProgress?.({ file: value.path, state: value.state, share: value.progress });
    }
  } catch (cause) {
    if (signal?.aborted) throw cancelled();
    throw told(cause, order, hub);
  }
}

function isRepository(repo: string): boolean {
  if (referenceProblem(repo) !== null) return false;
  const parsed = parseReference(repo);
  return parsed.kind === "hub" && parsed.revision === null && parsed.adapter === null;
}

function told(cause: unknown, { repo, token }: PushOrder, hub: string): LabError {
  if (!(cause instanceof HubApiError)) {
    return new LabError("offline", `${repo} could not be written: ${hub} does not answer. Check the connection and try again; nothing half-written is there.`, { cause });
  }
  const { statusCode: status } = cause;
  const details = { repo, status };
  if (status === 401) return new LabError("gated", `The Hub does not accept the token (HTTP 401): it is mistyped, revoked or of another Hub. Enter it again.`, { details });
  if (status === 403) return new LabError("gated", `This token may not write to ${repo} (HTTP 403). Take one with write access to ${repo.split("/")[0] ?? "it"}, or another name for the repository.`, { details });
  if (status === 412) return new LabError("run-failed", `${repo} was changed while it was written (HTTP 412). Try again.`, { details });
  if (status === 429) return new LabError("rate-limited", `The Hub asks for a pause (HTTP 429). Try again in some minutes.`, { details });
  // What the Hub says may repeat what it was sent.
  return new LabError("run-failed", `${repo} could not be written (HTTP ${status}): ${cause.message.replaceAll(token, "…").slice(0, 200)}`, { details });
}
