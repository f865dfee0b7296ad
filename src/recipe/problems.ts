/** From the schema's findings to sentences that name the path: "runs.0.inertai is not a field; did you mean inertia?" */
import type * as z from "zod";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

export function sentences(error: z.ZodError): string[] {
  return error.issues.flatMap((issue) => describe(issue, []));
}

function describe(issue: Issue, outer: Path): string[] {
  const path = [...outer, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    // `fields` writes one line a key: the key, a tab, what is wrong with it.
    return issue.message.split("\n").map((line) => {
      const [key = "", problem = ""] = line.split("\t");
      return sentence(name([...path, key]), problem);
    });
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const branch = meant(issue.errors);
    if (branch !== null) return branch.flatMap((inner) => describe(inner, path));
  }
  // A union told apart by `method` points at the method; the sentence is about the run.
  const at = issue.code === "invalid_union" && "discriminator" in issue && path.at(-1) === issue.discriminator ? path.slice(0, -1) : path;
  if ((issue.code === "invalid_key" || issue.code === "invalid_element") && issue.issues[0] !== undefined) {
    return issue.issues.flatMap((inner) => describe(inner as Issue, path));
  }
  return [sentence(name(at), issue.message)];
}

/** The one way of writing it whose outer form fits: then its inner problems are worth naming. */
function meant(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const fitting = branches.filter((branch) => branch.every(fits) && !(branch.some(isStrange) && branch.some(isMissing)));
  return fitting.length === 1 ? (fitting[0] ?? null) : null;
}

function fits(issue: Issue): boolean {
  if (issue.path.length > 0 || isStrange(issue)) return true;
  if (issue.code === "invalid_union") return meant(issue.errors) !== null;
  return issue.code === "too_big" || issue.code === "too_small" || issue.code === "custom";
}

const isStrange = (issue: Issue) => issue.code === "unrecognized_keys";
/** With unknown fields beside it, another form is meant. */
const isMissing = (issue: Issue) => issue.path.length > 0 && issue.input === undefined;

function name(path: Path): string {
  return path.length === 0 ? "The recipe" : path.map((part) => String(part).slice(0, 60)).join(".");
}

function sentence(subject: string, predicate: string): string {
  return `${subject} ${predicate}${/[.?!]$/.test(predicate) ? "" : "."}`;
}
