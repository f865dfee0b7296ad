/**
 * A model in several graphs (an encoder and a decoder) as one graph, so that all its weights are aligned, named and merged together, and
 * apart again to be run and written. Joined, every value's name begins with its part's role: "encoder/last_hidden_state".
 * A table that both parts hold (T5's shared embedding) is one weight, found by its bytes: exporters write it into each file.
 */
import { LabError } from "../../lib/error.ts";
import { decodeModel, encodeModel, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from "./proto.ts";
import { type External, rawBytes } from "./tensor.ts";
import { bodiesOf, dropDead, takenBy } from "./weights.ts";

export type Role = "model" | "encoder" | "decoder";

export interface Part {
  readonly role: Role;
  readonly model: ModelProto & { graph: GraphProto };
  /** Name of its file, for messages. */
  readonly file: string;
}

/** Smaller tables are not looked for: norms of ones are equal and mean nothing by it. */
const SHARED_ELEMENTS = 1024;

/** Parts are changed: they are the joined model's. One part stays as it is. */
export function joinParts(parts: readonly Part[], external?: External): ModelProto & { graph: GraphProto } {
  const [first, ...others] = parts;
  if (!first) throw new LabError("internal", "A model without a graph was to be joined.");
  if (others.length === 0) return first.model;
  for (const part of others) sameOperators(first, part);
  for (const { role, model } of parts) renameAll(model.graph, (name) => `${role}/${name}`);
  const { graph } = first.model;
  for (const { model } of others) {
    graph.node.push(...model.graph.node);
    graph.initializer.push(...model.graph.initializer);
    graph.input.push(...model.graph.input);
    graph.output.push(...model.graph.output);
  }
  graph.valueInfo = [];
  graph.quantizationAnnotation = [];
  shareTables(graph, first.file, external);
  return first.model;
}

/** The part a name belongs to; null: a weight of its own name. */
export const roleOf = (name: string): Role | null => (/^(encoder|decoder)\//.exec(name)?.[1] as Role | undefined) ?? null;
export const withoutRole = (name: string): string => (roleOf(name) ? name.slice(name.indexOf("/") + 1) : name);

/** One graph a role in `roles`, each with what its outputs need. `keep`: names that stay as they are (lifted weights); `kept`: those it needs. */
export function splitParts(bytes: Uint8Array, roles: readonly Role[], keep: ReadonlySet<string>): { role: Role; bytes: Uint8Array; kept: string[] }[] {
  if (roles.length <= 1) return [{ role: roles[0] ?? "model", bytes, kept: [...keep] }];
  return roles.map((role) => {
    const model = decodeModel(bytes, "the lifted graph");
    const { graph } = model;
    if (!graph) throw new LabError("internal", "The lifted graph is empty.");
    graph.output = graph.output.filter(({ name }) => roleOf(name ?? "") === role);
    dropDead(graph);
    const used = new Set<string>();
    takenBy(graph, used);
    graph.input = graph.input.filter(({ name }) => used.has(name ?? "") || (roleOf(name ?? "") === role && !keep.has(name ?? "")));
    renameAll(graph, (name) => (keep.has(name) ? name : withoutRole(name)));
    return { role, bytes: encodeModel(model), kept: graph.input.flatMap(({ name }) => (keep.has(name ?? "") ? [name ?? ""] : [])) };
  });
}

function sameOperators(a: Part, b: Part): void {
  const versions = ({ model }: Part) => new Map(model.opsetImport.map(({ domain, version }) => [domain === "ai.onnx" ? "" : (domain ?? ""), version]));
  const [mine, theirs] = [versions(a), versions(b)];
  for (const [domain, version] of theirs) {
    const other = mine.get(domain);
    if (other !== undefined && other !== version) {
      throw new LabError("unsupported-onnx", `${a.file} is written in version ${other} of the ${domain || "ONNX"} operators and ${b.file} in version ${version}. Export both files together.`);
    }
    if (other === undefined) a.model.opsetImport.push(...b.model.opsetImport.filter((one) => (one.domain ?? "") === domain));
  }
}

/** Names of values, at any depth; "" stands for an input left out. */
function renameAll(graph: GraphProto, rename: (name: string) => string): void {
  const one = (name: string | undefined) => (name ? rename(name) : (name ?? ""));
  for (const tensor of graph.initializer) tensor.name = one(tensor.name);
  for (const info of [...graph.input, ...graph.output]) info.name = one(info.name);
  graph.valueInfo = [];
  for (const node of graph.node) {
    node.input = node.input.map(one);
    node.output = node.output.map(one);
    for (const body of bodiesOf(node)) renameAll(body.graph, rename);
  }
}

function shareTables(graph: GraphProto, file: string, external?: External): void {
  const tables = new Map<string, TensorProto[]>();
  const twins = new Map<string, string>();
  graph.initializer = graph.initializer.filter((tensor) => {
    if (tensor.dims.length < 2 || tensor.dims.reduce((a, b) => a * b, 1n) < SHARED_ELEMENTS) return true;
    const kind = `${tensor.dataType} ${tensor.dims.join("x")}`;
    const alike = tables.get(kind) ?? [];
    const twin = alike.find((other) => roleOf(other.name ?? "") !== roleOf(tensor.name ?? "") && sameBytes(rawBytes(other, file, external), rawBytes(tensor, file, external)));
    if (twin) {
      twins.set(tensor.name ?? "", twin.name ?? "");
      return false;
    }
    tables.set(kind, [...alike, tensor]);
    return true;
  });
  if (twins.size > 0) redirect(graph.node, twins);
}

function redirect(nodes: readonly NodeProto[], twins: ReadonlyMap<string, string>): void {
  for (const node of nodes) {
    node.input = node.input.map((name) => twins.get(name) ?? name);
    for (const { graph } of bodiesOf(node)) {
      redirect(graph.node, twins);
      for (const info of graph.output) info.name = twins.get(info.name ?? "") ?? info.name ?? "";
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
