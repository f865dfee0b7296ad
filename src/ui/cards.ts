/** What the page says of each model that is set: as its family tells, else as it was loaded or looked at, else by its reference alone. */
import type { ModelCard, PreflightModel, Recipe, ZooFamily } from "../index.ts";

export interface Card {
  readonly id: string;
  readonly model: string;
  readonly title: string;
  readonly summary: string;
  readonly icon: string;
}

export interface Cards {
  readonly base: Card;
  readonly experts: readonly Card[];
}

interface Known {
  readonly family: ZooFamily | null;
  /** Of the run that is shown. */
  readonly loaded: readonly ModelCard[];
  readonly looked: readonly PreflightModel[];
}

export function cardsOf(recipe: Pick<Recipe, "base" | "experts">, { family, loaded, looked }: Known): Cards {
  const card = (id: string, model: string, own: Card | undefined): Card => {
    if (own) return { ...own, id };
    const told = loaded.find((one) => one.id === id && one.model === model);
    const name = nameOf(model);
    return { id, model, title: told?.title || name, icon: told?.icon || monogram(id === "base" ? name : id), summary: told?.summary || glance(model, looked.find(({ ref }) => ref === model)) };
  };
  return {
    base: card("base", recipe.base.model, family?.base),
    experts: recipe.experts.map(({ id, model }) => card(id, model, family?.experts.find((one) => one.id === id && one.model === model))),
  };
}

/** Of `zoo/family/name`; null: other models. */
export function familyOf({ base }: { readonly base?: { readonly model: string } | undefined }): string | null {
  return /^zoo\/([^/]+)\//.exec(base?.model ?? "")?.[1] ?? null;
}

/** "owner/name@branch+owner/adapter" → "name + adapter" */
export function nameOf(reference: string): string {
  return reference.split("+").map((one) => one.replace(/@.*$/, "").split("/").filter(Boolean).at(-1) ?? one).join(" + ");
}

/** Two letters that stand for a picture. */
function monogram(name: string): string {
  const [first = "", second = ""] = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return (first.slice(0, 1) + (second.slice(0, 1) || first.slice(1, 2))).toLowerCase();
}

function glance(model: string, looked: PreflightModel | undefined): string {
  const owner = model.startsWith(".") || !model.includes("/") ? "" : (model.split("/")[0] ?? "");
  return [owner, looked?.licence ?? ""].filter(Boolean).join(" · ");
}

/** The expert that was made for a task: the one whose head scores it, or the one that is called like it. */
export function expertOf(task: { readonly id: string; readonly head?: string | null | undefined }, experts: readonly string[]): string | null {
  if (task.head && experts.includes(task.head)) return task.head;
  return experts.includes(task.id) ? task.id : null;
}
