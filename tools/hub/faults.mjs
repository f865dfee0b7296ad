/**
 * Faults on demand. A rule says what (`kind`), where (`path`: text or a regular expression's source, on the Hub or the place large files
 * come from) and how often (`times`, once unless told; 0: always). `?fault=cut:1000` on an address does the same for that request.
 */

/**
 * @typedef {object} Fault
 * @property {"cut" | "stall" | "flip" | "short" | "slow" | "status" | "whole" | "web-page"} kind cut: the connection breaks after `at` bytes; stall: it falls
 *   silent there; flip: the byte there is wrong; short: the body ends there as if it were whole; slow: `rate` bytes a second;
 *   status: answers `status`; whole: knows no ranges; web-page: a page instead of the file
 * @property {string} [path] part of the path, or between slashes a regular expression
 * @property {number} [at] byte of the file; a negative one counts from its end
 * @property {number} [status]
 * @property {string} [code] X-Error-Code
 * @property {number} [retryAfter] seconds
 * @property {number} [rate]
 * @property {number} [times]
 * @property {"hub" | "cdn" | "viewer"} [on]
 */

export class Faults {
  /** @type {(Fault & { left: number })[]} */
  #rules = [];

  /** @param {Fault} fault */
  add(fault) {
    const times = fault.times ?? 1;
    this.#rules.push({ ...fault, left: times === 0 ? Infinity : times });
  }

  clear() {
    this.#rules = [];
  }

  /**
   * The fault of one request, used up.
   * @param {"hub" | "cdn" | "viewer"} on @param {string} path @param {string | null} query
   * @returns {Fault | null}
   */
  take(on, path, query) {
    if (query) return spelled(query);
    // A fault of a body waits for the place that sends the body: on the Hub a large file is only pointed at.
    const rule = this.#rules.find((one) => one.left > 0 && (one.on ?? on) === on && matches(one.path, path));
    if (!rule) return null;
    rule.left--;
    return rule;
  }

  /** Gives a fault back that could not happen here (a redirect has no body to cut). @param {Fault} fault */
  putBack(fault) {
    const rule = this.#rules.find((one) => one === fault);
    if (rule) rule.left++;
  }
}

function matches(wanted, path) {
  if (!wanted) return true;
  const pattern = /^\/(.+)\/$/.exec(wanted)?.[1];
  return pattern ? new RegExp(pattern).test(path) : path.includes(wanted);
}

/** "cut:1000", "status:429:2" (Retry-After 2), "flip:0" → a fault. */
function spelled(text) {
  const [kind, first, second] = text.split(":");
  const value = Number(first ?? 0);
  if (kind === "status") return { kind, status: value, ...(second && { retryAfter: Number(second) }) };
  return /** @type {Fault} */ ({ kind, at: value, rate: value });
}
