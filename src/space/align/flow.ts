/** What comes after what in a graph: the nodes that a node's result reaches, through bodies and out of them again. */
import { type CanonicalModel, resolve, type Scope, type Site } from "./canonical.ts";

export interface Flow {
  /** Nodes strictly after this one. */
  after(site: Site): ReadonlySet<Site>;
  /** Positions of the graph outputs that a node reaches. */
  outputs(site: Site): number[];
}

export function flowOf(model: CanonicalModel): Flow {
  const next = new Map<Site, Set<Site>>();
  const link = (from: Site, to: Site) => next.set(from, (next.get(from) ?? new Set()).add(to));
  const walk = (scope: Scope, owner: Site | null): void => {
    for (const site of scope.sites) {
      // A body's node works for the node that holds the body.
      if (owner) link(site, owner);
      for (const name of site.node.input) {
        const source = resolve(scope, name, model.id);
        if (source.kind === "node") link(source.site, site);
      }
      for (const body of site.bodies) walk(body.scope, site);
    }
  };
  walk(model.root, null);

  const memo = new Map<Site, Set<Site>>();
  const after = (site: Site): Set<Site> => {
    const known = memo.get(site);
    if (known) return known;
    const reached = new Set<Site>();
    const todo = [site];
    for (let at = todo.pop(); at; at = todo.pop()) {
      for (const one of next.get(at) ?? []) {
        if (reached.has(one)) continue;
        reached.add(one);
        todo.push(one);
      }
    }
    memo.set(site, reached);
    return reached;
  };
  const ends = model.root.graph.output.map((info) => resolve(model.root, info.name ?? "", model.id));
  return {
    after,
    outputs: (site) => ends.flatMap((end, i) => (end.kind === "node" && (end.site === site || after(site).has(end.site)) ? [i] : [])),
  };
}
