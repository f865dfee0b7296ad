/**
 * The graphs of models that write text, made ready to speak with a candidate's weights. On a GPU its buffers are fed. Without one the runtime
 * copies fed weights at every token: where that will cost more than it takes to make sessions of the candidate's own, it is baked into such
 * for as long as it is scored.
 */
import { quicken } from "../checkpoint/onnx/quicken.ts";
import { type Template, templateOf } from "../checkpoint/onnx/template.ts";
import { widen } from "../checkpoint/onnx/widen.ts";
import type { Alignment, LiftedGraph } from "../checkpoint/types.ts";
import type { Feeds, Runtime, RuntimeSession } from "../fitness/runtime.ts";
import type { Voice, Voices } from "../fitness/texts/language.ts";

/** Weights of the candidate in the slot. */
export interface SlotWeights {
  /** By input of the lifted graphs, for the runtime. */
  feeds(): Feeds;
  /** One array a segment; empty where the slot is bound to the GPU. */
  arrays(): readonly Float32Array[];
}

/** A file this large is not made: the runtime's memory ends at 4 GiB, and it holds a model twice while it is loaded. */
const BAKED_BYTES = 1.5e9;
/** Calls whose copies are worth a session: 1.5 s to optimise a graph and three passes over its weights, against one pass a call at 3 GB/s. Numbers, not a stopwatch: the same recipe always takes the same way. */
const bakes = (bytes: number, calls: number): boolean => bytes <= BAKED_BYTES && calls * bytes > 4.5e9 + 9 * bytes;

export class Sounding {
  readonly #alignment: Alignment;
  readonly #runtime: Runtime;
  readonly #graphs: readonly { readonly graph: LiftedGraph; readonly bytes: Uint8Array; readonly segments: readonly number[] }[];
  /** By shapes of the head's tensors. */
  readonly #templates = new Map<string, readonly Template[]>();
  #fed: readonly RuntimeSession[] | null = null;
  /** Of the largest graph's weights. */
  readonly #bytes: number;

  constructor(alignment: Alignment, runtime: Runtime, halves: boolean) {
    this.#alignment = alignment;
    this.#runtime = runtime;
    this.#graphs = alignment.graphs.map((graph) => ({ graph, bytes: halves ? graph.bytes : quicken(widen(graph.bytes)), segments: usedBy(alignment, graph) }));
    this.#bytes = Math.max(...this.#graphs.map(({ segments }) => 4 * segments.reduce((sum, i) => sum + (alignment.space.segments[i]?.length ?? 0), 0)));
  }

  /** Sessions of the candidate for the length of `work`. `head`: tensors of the head that speaks, by input; `calls`: runs of a graph that are to be expected. */
  async with<T>(weights: SlotWeights, head: Feeds, calls: number, work: (voices: Voices) => Promise<T>): Promise<T> {
    if (this.#runtime.provider === "webgpu" || !bakes(this.#bytes, calls)) return work(this.#together(await this.#sessions(), (graph, session) => this.#voice(session, graph, weights, head)));
    const own = await this.#baked(weights, head);
    try {
      return await work(this.#together(own, (_, session) => ({ session, weights: () => ({}) })));
    } finally {
      for (const session of own) await session.release();
    }
  }

  async close(): Promise<void> {
    for (const session of this.#fed ?? []) await session.release();
    this.#fed = null;
  }

  async #sessions(): Promise<readonly RuntimeSession[]> {
    if (this.#fed) return this.#fed;
    const made: RuntimeSession[] = [];
    for (const { graph, bytes } of this.#graphs) {
      const kept = graph.outputs.map(({ name }) => name).filter((name) => name.startsWith("present"));
      made.push(await this.#runtime.session(bytes, `the ${graph.role}`, kept));
    }
    return (this.#fed = made);
  }

  async #baked(weights: SlotWeights, head: Feeds): Promise<RuntimeSession[]> {
    const templates = this.#templatesFor(head);
    const arrays = weights.arrays();
    const made: RuntimeSession[] = [];
    for (const [g, { graph, segments }] of this.#graphs.entries()) {
      const template = templates[g] as Template;
      let at = 0;
      for (const i of segments) for (const _ of this.#inputsIn(graph, i)) template.fill(at++, arrays[i] as Float32Array);
      for (const [, tensor] of this.#headsIn(graph, head)) template.fill(at++, tensor.data as Float32Array);
      made.push(await this.#runtime.session(template.bytes, `the ${graph.role}`));
    }
    return made;
  }

  #templatesFor(head: Feeds): readonly Template[] {
    const key = JSON.stringify(Object.entries(head).map(([name, { dims }]) => [name, dims]));
    const made = this.#templates.get(key) ?? this.#graphs.map(({ graph, bytes, segments }) => templateOf(bytes, [
      ...segments.flatMap((i) => this.#inputsIn(graph, i).map((name) => ({ name, shape: this.#alignment.space.segments[i]?.shape ?? [] }))),
      ...this.#headsIn(graph, head).map(([name, tensor]) => ({ name, shape: tensor.dims })),
    ]));
    this.#templates.set(key, made);
    return made;
  }

  #voice(session: RuntimeSession, graph: LiftedGraph, weights: SlotWeights, head: Feeds): Voice {
    const names = new Set(session.inputNames);
    const fed = new WeakMap<Feeds, Feeds>();
    const own = (feeds: Feeds) => Object.fromEntries(Object.entries({ ...feeds, ...head }).filter(([name]) => names.has(name) && !graph.inputs.some((port) => port.name === name)));
    return {
      session,
      weights: () => {
        const feeds = weights.feeds();
        const known = fed.get(feeds) ?? own(feeds);
        fed.set(feeds, known);
        return known;
      },
    };
  }

  #together(sessions: readonly RuntimeSession[], voice: (graph: LiftedGraph, session: RuntimeSession) => Voice): Voices {
    const of = (role: LiftedGraph["role"]) => {
      const at = this.#graphs.findIndex(({ graph }) => graph.role === role);
      return at === -1 ? null : voice((this.#graphs[at] as { graph: LiftedGraph }).graph, sessions[at] as RuntimeSession);
    };
    return { encoder: of("encoder"), decoder: (of("decoder") ?? of("model")) as Voice };
  }

  /** Inputs of this graph that a segment feeds. */
  #inputsIn(graph: LiftedGraph, segment: number): readonly string[] {
    return (this.#alignment.segments[segment]?.inputs ?? []).filter((name) => graph.weights.includes(name));
  }

  #headsIn(graph: LiftedGraph, head: Feeds): [string, Feeds[string]][] {
    return Object.entries(head).filter(([name]) => graph.weights.includes(name));
  }
}

/** Segments that a graph takes weights from. */
function usedBy({ segments }: Alignment, { weights }: LiftedGraph): number[] {
  const used = new Set(weights);
  return segments.flatMap(({ inputs }, i) => (inputs.some((name) => used.has(name)) ? [i] : []));
}
