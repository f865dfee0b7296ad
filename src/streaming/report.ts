/** What a merge of folders did, as a report: nothing is scored, so it tells of files, warnings and bytes. */
import { version } from "../../package.json";
import { sha256 } from "../lib/bytes.ts";
import { parameterOf, type MergeRun } from "../methods/runs.ts";
import { methodSpec } from "../methods/fields.ts";
import type { MergePlan } from "../recipe/plan/types.ts";
import type { Report, ReportFile } from "../recipe/report.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { GatheredWarning } from "../methods/warnings.ts";
import { OF_ADAPTER } from "./adapters.ts";
import type { StreamedModels } from "./models.ts";

export interface Told {
  readonly recipe: Recipe;
  readonly run: MergeRun;
  readonly plan: MergePlan;
  readonly opened: StreamedModels;
  readonly files: readonly ReportFile[];
  readonly warnings: readonly GatheredWarning[];
  readonly device: { readonly kernels: string; readonly adapter: string; readonly threads: number };
  readonly cost: { readonly wallMs: number; readonly readBytes: number; readonly writeBytes: number; readonly downloadBytes: number; readonly peakBytes: number };
}

export async function reportOf({ recipe, run, plan, opened, files, warnings, device, cost }: Told): Promise<Report> {
  const { wallMs, readBytes, writeBytes, downloadBytes, peakBytes } = cost;
  return {
    murmuration: 1,
    recipe: resolved(recipe, opened),
    device: {
      adapter: device.adapter, kernels: device.kernels, runtime: "none", isFallback: device.kernels === "cpu", threads: device.threads,
      browser: browserName(),
      versions: { murmuration: version },
    },
    scores: {},
    differences: [],
    runs: [{
      id: run.id, method: run.method, parameters: parametersOf(run), digest: await digestOfWeights(files), basis: [], groups: ["all"], trace: [], best: null,
      cost: { proposals: 0, evaluations: 0, inferences: 0, wallMs, runtimeMs: 0 },
    }],
    cost: { wallMs, runtimeMs: 0, downloadBytes, modelBytes: plan.writeBytes, gpuBytesPeak: 0, heapBytesPeak: peakBytes, readBytes, writeBytes },
    warnings: [...plan.warnings, ...warnings],
    files: [...files],
  };
}

/** SHA-256 over a line a safetensors file, "<sha256>  <path>", in the order of paths. */
export async function digestOfWeights(files: readonly ReportFile[]): Promise<string> {
  const weights = files.filter(({ path }) => path.endsWith(".safetensors")).sort((a, b) => (a.path < b.path ? -1 : 1));
  return `sha256:${await sha256(weights.map((file) => `${file.sha256}  ${file.path}\n`).join(""))}`;
}

/** What the run says; values of each model stand with the models. */
function parametersOf(run: MergeRun): Record<string, unknown> {
  const { whole, perModel } = methodSpec(run.method);
  const said = [...Object.keys(whole), ...Object.keys(perModel)].map((name) => [name, parameterOf(run, name)] as const);
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}

/** With commits and digests, as far as they are known without reading whole files. */
function resolved(recipe: Recipe, { models }: StreamedModels): Recipe {
  const facts = (id: string) => {
    const model = models.find((one) => one.id === id);
    const told = model?.folder.told;
    const files = [...(told?.files ?? []), ...(model?.adapter?.folder.told.files ?? []).filter(({ path }) => OF_ADAPTER.includes(path))];
    const digests = files.filter((file) => file.sha256 !== undefined).map(({ path, sha256: digest }) => [path, digest as string] as const);
    return { ...(told?.revision === undefined ? {} : { revision: told.revision }), ...(digests.length > 0 ? { sha256: Object.fromEntries(digests) } : {}) };
  };
  return { ...recipe, base: { ...recipe.base, ...facts("base") }, experts: recipe.experts.map((expert) => ({ ...expert, ...facts(expert.id) })) };
}

function browserName(): string {
  const { userAgent = "none" } = (globalThis.navigator as Navigator | undefined) ?? {}; // none in Node
  return /(?:Chrome|Firefox|Version)\/[\d.]+/.exec(userAgent)?.[0] ?? userAgent;
}
