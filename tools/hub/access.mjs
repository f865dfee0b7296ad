/**
 * Who may read and write what. A repository's `.hub.json` may say `"gated": "auto" | "manual"`, `"private": true` and `"allowed": [tokens]`
 * (left out: every known token). Refusals are told apart as the Hub does, by status and X-Error-Code.
 */
import { Refusal } from "./answer.mjs";

export class Access {
  /** @param {Record<string, string>} tokens */
  constructor(tokens) {
    this.tokens = tokens;
  }

  /** The token of a request, or null. A token nobody knows is refused whatever is asked. @param {import("./answer.mjs").Answer} answer */
  token(answer) {
    const given = answer.request.headers.authorization;
    if (given === undefined) return null;
    const token = /^Bearer (\S+)$/.exec(given)?.[1];
    if (!token || !Object.hasOwn(this.tokens, token)) throw new Refusal(401, "Invalid credentials in Authorization header");
    return token;
  }

  user(answer) {
    const token = this.token(answer);
    if (token === null) throw new Refusal(401, "Invalid username or password.");
    return this.tokens[token];
  }

  /** What is private looks as if it were not there; of what is gated the list may be seen, not the files. */
  check(answer, repository, { files }) {
    const token = this.token(answer);
    const { gated, allowed, private: hidden } = repository.settings;
    const may = token !== null && (!allowed || allowed.includes(token) || this.tokens[token] === repository.id.split("/")[0]);
    if (hidden && !may) throw missing(token);
    if (gated && files && !may) {
      const { id } = repository;
      if (token === null) throw new Refusal(401, `Access to model ${id} is restricted. You must have access to it and be authenticated to access it. Please log in.`, "GatedRepo");
      throw new Refusal(403, `Access to model ${id} is restricted and you are not in the authorized list. Visit ${id} to ask for access.`, "GatedRepo");
    }
  }

  checkWrite(answer, id) {
    const user = this.user(answer);
    if (id.split("/")[0] !== user) throw new Refusal(403, `You don't have the rights to create or change a repository under the namespace "${id.split("/")[0]}"`);
    return user;
  }
}

/** To somebody without a token a missing repository looks as a private one does. */
export function missing(token) {
  return token === null ? new Refusal(401, "Invalid username or password.", "RepoNotFound") : new Refusal(404, "Repository not found", "RepoNotFound");
}
