/**
 * One name a tensor, the same whichever export of a family is read: the checkpoint's where a map says it, else the
 * initializer's where it looks like a checkpoint's, else one made of the node's path. Exporters' numbers never show.
 */
import type { NamesMap } from "../../checkpoint/types.ts";
import { LabError } from "../../lib/error.ts";
import { sameShape, type Group } from "./group.ts";
import type { Place } from "./pair.ts";

export interface Named {
  readonly name: string;
  readonly transposed: boolean;
}

/** Names that only tell how an exporter counts. */
const exporterMade = /^(?:(?:encoder|decoder)\/)?(onnx::|\d+$|\/|_?v(al)?_\d+|t\d+$|const(ant)?(_|$|\d)|_to_copy|.*_output_\d+|.*\.\d+_const)/i;

export function nameGroups(groups: readonly Group[], names: NamesMap | null): Map<Group, Named> {
  const users = new Map<number, number>();
  for (const group of groups) users.set(group.weights[0]?.id ?? -1, (users.get(group.weights[0]?.id ?? -1) ?? 0) + 1);
  const out = new Map<Group, Named>();
  const taken = new Set<string>();
  const give = (group: Group, wanted: string, transposed: boolean) => {
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted}:${n}`;
    taken.add(name);
    out.set(group, { name, transposed });
  };
  // First those whose name is certain, so that made-up ones give way.
  const rest: Group[] = [];
  for (const group of groups) {
    const own = group.weights[0];
    const mapped = own && users.get(own.id) === 1 ? names?.tensors[own.name] : undefined;
    if (own && mapped) give(group, mapped.name, checked(own.name, own.shape, mapped));
    else rest.push(group);
  }
  for (const group of rest) {
    const own = group.weights[0];
    // A tensor the base shares but another model does not: that model may know its name.
    const shared = own !== undefined && (users.get(own.id) ?? 0) > 1;
    const candidates = (shared ? [...group.weights.slice(1), own] : group.weights).map((weight) => weight.name);
    const good = candidates.find((name) => name && !exporterMade.test(name) && !taken.has(name));
    give(group, good ?? fromPath(group.places[0]), false);
  }
  return out;
}

function checked(tensor: string, shape: readonly number[], mapped: NamesMap["tensors"][string]): boolean {
  const expected = mapped.transposed ? [...shape].reverse() : shape;
  if (!sameShape(mapped.shape, expected) || (mapped.transposed && shape.length !== 2)) {
    throw new LabError(
      "graph-mismatch",
      `names.json says that ${tensor} is ${mapped.name} of shape ${mapped.shape.join("×")}${mapped.transposed ? ", transposed" : ""}, but in the graph it is ${shape.join("×")}. The map belongs to another export; make it again.`,
    );
  }
  return mapped.transposed;
}

/** "/encoder/layer.0/query/MatMul", slot 1 → "encoder.layer.0.query.weight". */
function fromPath(place: Place | undefined): string {
  if (!place || place.at.kind === "output") return `output.${place?.slot ?? 0}`;
  const { node, path } = place.at.site;
  const op = node.opType ?? "node";
  const parts = (node.name ?? "").split("/").filter((part) => part !== "" && !/^node_/.test(part));
  if (parts.at(-1)?.replace(/_\d+$/, "") === op) parts.pop();
  if (parts.length === 0) return `node.${path.replaceAll("/", ".")}.${op}.${place.slot}`;
  return `${parts.join(".")}.${role(op, place.slot)}`;
}

function role(op: string, slot: number): string {
  if (/^(MatMul|Gemm|Conv|ConvTranspose|Gather|LayerNormalization|InstanceNormalization|BatchNormalization)$/.test(op)) {
    return op === "Gather" ? "weight" : slot === 1 ? "weight" : slot === 2 ? "bias" : `input${slot}`;
  }
  if (op === "Add") return "bias";
  if (op === "Mul") return "weight";
  return `${op}.${slot}`;
}

/** "encoder.layer.3.attention…", "blocks.3…", "h.3…" → 3. */
export function layerOf(name: string): number | null {
  const found = /(?:^|[._/])(?:layers?|blocks?|h)[._/](\d{1,6})(?=[._/]|$)/.exec(name);
  return found ? Number(found[1]) : null;
}
