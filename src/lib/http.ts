/** What a server that does not give a file says, in a sentence. */
import { LabError } from "./error.ts";

/** Statuses that another try may change. */
export const mayPass = (status: number): boolean => status === 429 || status >= 500;

/** `name`: the file, as a person knows it. */
export function refusal(status: number, name: string, cause?: unknown): LabError {
  const options = { details: { file: name, status }, ...(cause === undefined ? {} : { cause }) };
  if (status === 404 || status === 410) return new LabError("not-found", `${name} is not there (HTTP ${status}). Check the reference for typing errors.`, options);
  if (status === 401 || status === 403) return new LabError("gated", `${name} may not be read without permission (HTTP ${status}). Ask for access on its page, then enter your token.`, options);
  if (status === 429) return new LabError("rate-limited", `The server asks for patience with ${name} (HTTP 429). Wait a minute and try again.`, options);
  if (status >= 500) return new LabError("offline", `${name} could not be read: the server answers HTTP ${status}. Try again in a while.`, options);
  return new LabError("not-found", `${name} cannot be read (HTTP ${status}).`, options);
}
