/**
 * A link somebody opened: parsed at the door, shown as text, never started by itself.
 * After a run of it the page says what matched.
 */
import { decodeLink, encodeLink, verdictOn, type Journal, type Recipe, type Report, type SharedRun } from "../../index.ts";
import { s } from "../strings.ts";

/** Of a link that cannot be read: enough to see what it is. */
const SHOWN_CHARACTERS = 400;

export class SharedLink {
  shared = $state.raw<SharedRun | null>(null);
  problem = $state<string | null>(null);
  text = $state("");
  matched = $state<string | null>(null);
  /** Leaves the page once its banner was answered; scores and digests stay for comparing. */
  recipe = $state.raw<Recipe | null>(null);
  journal = $derived<Journal | null>(this.shared && this.shared.rows.length > 0 ? { rows: this.shared.rows } : null);

  read(hash: string): void {
    this.dismiss();
    this.matched = null;
    this.shared = null;
    const code = hash.replace(/^#/, "");
    if (code === "") return;
    try {
      this.shared = decodeLink(code);
      this.recipe = this.shared.recipe;
    } catch (problem) {
      this.problem = problem instanceof Error ? problem.message : String(problem);
      this.text = code.length > SHOWN_CHARACTERS ? `${code.slice(0, SHOWN_CHARACTERS)}…` : code;
    }
  }

  dismiss(): void {
    this.recipe = null;
    this.problem = null;
    this.text = "";
  }

  /** The address part that holds a run, or a recipe alone. */
  write(report: Report | null, recipe: Recipe): string {
    if (!report) return encodeLink({ recipe, rows: [], digests: {} });
    return encodeLink({
      recipe: report.recipe,
      rows: report.runs.flatMap((run) => run.trace.map((row) => ({ ...row, run: run.id }))),
      digests: Object.fromEntries(report.runs.map((run) => [run.id, run.digest])),
    });
  }

  /** What of the shared run came out the same here. */
  compare(report: Report): void {
    const shared = this.shared;
    if (!shared || shared.rows.length === 0) return;
    const same = report.runs.filter((run) => shared.digests[run.id] !== undefined).every((run) => shared.digests[run.id] === run.digest);
    const digest = same ? s.link.digestSame : s.link.digestOther;
    if (!report.verification) {
      this.matched = digest;
      return;
    }
    const { status, sentence } = verdictOn(report.verification, shared.rows.length);
    this.matched = status === "mismatch" ? sentence : `${sentence} ${digest}`;
  }
}
