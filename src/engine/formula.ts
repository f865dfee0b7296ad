/** A merge of a family in words: its formula with the numbers filled in. */
import { formula } from "../methods/formula.ts";
import type { MergeRun } from "../methods/runs.ts";
import type { TensorJob } from "../methods/types.ts";
import { inputsOf } from "../recipe/checkMerge.ts";
import type { Recipe } from "../recipe/schema.ts";

/** `jobs`: what `FamilyMerger.jobs` says of the run. */
export function formulaText(recipe: Recipe, run: MergeRun, jobs: readonly TensorJob[]): string {
  const texts = new Map<string, number>();
  const count = (job: Parameters<typeof formula>[0], tensors: number) => {
    const text = formula(job);
    texts.set(text, (texts.get(text) ?? 0) + tensors);
  };
  for (const [job, tensors] of distinct(jobs)) count(job, tensors);
  // Carried over as it is: nothing to merge, and still a formula.
  if (jobs.length === 0) count({ method: run.method, inputs: inputsOf(recipe, run).map((id) => ({ id, parameters: {} })), base: null, parameters: {} }, 1);
  const [[text, most] = ["", 0]] = [...texts].sort((a, b) => b[1] - a[1]);
  return texts.size > 1 ? `${text}\nin ${most} of ${jobs.length} tensors; in the others the numbers differ` : text;
}

/** Jobs that say the same but for their tensor, with how many they are. */
function distinct(jobs: readonly TensorJob[]): [TensorJob, number][] {
  const groups = new Map<string, [TensorJob, number]>();
  for (const job of jobs) {
    const key = JSON.stringify([job.inputs, job.base, job.parameters]);
    const group = groups.get(key);
    if (group) group[1]++;
    else groups.set(key, [job, 1]);
  }
  return [...groups.values()];
}
