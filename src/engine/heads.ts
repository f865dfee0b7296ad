/** Task heads: fed to the lifted graph a task at a time, or put into one graph, so that samples of all tasks share a batch. */
import { quicken } from "../checkpoint/onnx/quicken.ts";
import { joinedGraph, joinedOutput, type TaskHead } from "../export/join.ts";
import type { Port } from "../fitness/evaluator.ts";
import { cpuTensor, type Feeds } from "../fitness/runtime.ts";
import { writes } from "./evaluators.ts";
import type { Hub, Loaded } from "./loading.ts";

export interface Heads {
  /** What the runtime loads. */
  readonly graph: Uint8Array;
  /** By task id. */
  readonly ports: ReadonlyMap<string, Port>;
}

/** Heads that together weigh more than this part of the body would cost more in every batch than larger batches save. */
const SMALL = 1 / 4;

export async function loadHeads({ alignment, models, tasks }: Loaded, hub: Hub): Promise<Heads> {
  const output = (alignment.outputs.find(({ name }) => name === "logits") ?? alignment.outputs[0])?.name ?? "";
  const tensors = new Map<string, Float32Array[]>();
  for (const id of new Set(tasks.map((task) => task.head))) {
    const model = models.find((entry) => entry.id === id)?.model;
    if (!model) continue;
    tensors.set(id, await Promise.all(alignment.heads.map(({ of }) => of[id]).map((own) => (own ? hub.tensor(model.handle, own.weight) : new Float32Array()))));
  }
  const sizes = [...tensors.values()].flat().reduce((sum, { length }) => sum + length, 0);
  const alike = new Set(tasks.map(({ head }) => JSON.stringify(models.find(({ id }) => id === head)?.model.preprocessor))).size === 1;
  const none: Feeds = {};
  const feeds = new Map([...tensors].map(([id, arrays]) => [id, feedsOf(alignment, id, arrays)]));
  const fed = new Map(tasks.map(({ id, head }): [string, Port] => [id, { head: alignment.heads.length > 0 ? (feeds.get(head) ?? none) : none, output }]));
  if (writes(tasks)) return { graph: alignment.graph, ports: fed }; // its graphs are loaded apart
  if (alignment.heads.length > 0 && tasks.length > 1 && alike && sizes <= SMALL * alignment.space.length) {
    const heads = tasks.map(({ id, head }): TaskHead => ({ task: id, model: head, tensors: tensors.get(head) ?? [] }));
    return { graph: quicken(joinedGraph(alignment, heads)), ports: new Map(tasks.map(({ id }) => [id, { head: none, output: joinedOutput(output, id) }])) };
  }
  return { graph: quicken(alignment.graph), ports: fed };
}

function feedsOf(alignment: Loaded["alignment"], id: string, arrays: readonly Float32Array[]): Feeds {
  const feeds: Feeds = {};
  alignment.heads.forEach(({ input, of }, i) => {
    const own = of[id];
    if (own) feeds[input] = cpuTensor(arrays[i] as Float32Array, own.shape);
  });
  return feeds;
}
