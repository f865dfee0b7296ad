/** One drawing, many models: each says what it sees, through its own head or the asked task's. */
import { pixelValues } from "../fitness/images.ts";
import { softmax } from "../fitness/logits.ts";
import { LabError } from "../lib/error.ts";
import type { Answer } from "../threads/merge.ts";
import type { LoadedTask } from "./loading.ts";
import type { Subject } from "./scoring.ts";
import type { Workbench } from "./workbench.ts";

const shownLabels = 3;

/** `image`: `[height × width]` grey values at the model's input size. `task` null: the head each model is surest with. */
export async function answerDrawing(bench: Workbench, image: Uint8Array, models: readonly { id: string; subject: Subject }[], task: string | null): Promise<Answer[]> {
  const tasks = bench.loaded.tasks.filter(({ id }) => task === null || id === task);
  if (tasks.length === 0) throw new LabError("bad-arguments", `There is no task called ${task}; there are ${bench.loaded.tasks.map(({ id }) => id).join(", ")}.`);
  const answers: Answer[] = [];
  for (const { id, subject } of models) {
    await bench.persist(() => ("weights" in subject ? bench.placeWeights(subject.weights) : bench.place(subject.candidate, subject.residence)));
    let surest: Answer | null = null;
    for (const one of tasks) {
      const answer = await answerOne(bench, one, id, image);
      if (!surest || answer.probability > surest.probability) surest = answer;
    }
    if (surest) answers.push(surest);
  }
  return answers;
}

async function answerOne(bench: Workbench, task: LoadedTask, id: string, image: Uint8Array): Promise<Answer> {
  const head = bench.loaded.models.find((model) => model.id === task.head)?.model;
  if (!head?.preprocessor) throw new LabError("bad-samples", `The model whose head scores ${task.id} takes no images.`);
  const { width, height, channels } = head.preprocessor;
  if (image.length !== width * height * channels) {
    throw new LabError("bad-arguments", `The image has ${image.length} bytes where ${width}×${height}×${channels} are needed.`);
  }
  const logits = await bench.answer(task, pixelValues(image, 1, { width, height, channels }, head.preprocessor));
  const ranked = [...softmax(logits)].map((probability, index) => ({ label: task.labels[index] ?? String(index), probability })).sort((a, b) => b.probability - a.probability);
  return { id, task: task.id, label: ranked[0].label, probability: ranked[0].probability, top: ranked.slice(0, shownLabels) };
}
