/** One drawing or one text, many models: each says what it sees or writes, through its own head or the asked task's. */
import type { ImagePreprocessor } from "../checkpoint/types.ts";
import { pixelValues } from "../fitness/images.ts";
import { softmax } from "../fitness/logits.ts";
import { LabError } from "../lib/error.ts";
import type { Answer } from "../threads/merge.ts";
import { type Said, writes } from "./evaluators.ts";
import type { LoadedTask } from "./loading.ts";
import type { Subject } from "./scoring.ts";
import type { Workbench } from "./workbench.ts";

const shownLabels = 3;

/** `image`: `[height × width]` grey values at the model's input size. `task` null: the head each model is surest with. */
export async function answerDrawing(bench: Workbench, image: Uint8Array, models: readonly { id: string; subject: Subject }[], task: string | null): Promise<Answer[]> {
  return surestOf(bench, models, task, (tasks, id) => answerAll(bench, tasks, id, image));
}

/** A model that writes answers each task alike; it is asked one: the first unless named. */
export async function answerText(bench: Workbench, question: { prompt: string; pair?: string }, models: readonly { id: string; subject: Subject }[], task: string | null): Promise<Answer[]> {
  return surestOf(bench, models, task, async (tasks, id) => {
    const some = tasks.slice(0, writes(tasks) ? 1 : tasks.length);
    const said = await bench.answer(some, question);
    return some.map((one, i) => answerOf(one, id, said[i]));
  });
}

async function surestOf(bench: Workbench, models: readonly { id: string; subject: Subject }[], task: string | null, ask: (tasks: readonly LoadedTask[], id: string) => Promise<Answer[]>): Promise<Answer[]> {
  const tasks = bench.loaded.tasks.filter(({ id }) => task === null || id === task);
  if (tasks.length === 0) throw new LabError("bad-arguments", `There is no task called ${task}; there are ${bench.loaded.tasks.map(({ id }) => id).join(", ")}.`);
  const answers: Answer[] = [];
  for (const { id, subject } of models) {
    await bench.persist(() => ("weights" in subject ? bench.placeWeights(subject.weights) : bench.place(subject.candidate, subject.residence)));
    const all = await ask(tasks, id);
    answers.push(all.reduce((best, answer) => (answer.probability > best.probability ? answer : best)));
  }
  return answers;
}

/** One answer a task. Pictures that are prepared alike go through the model once for all their tasks. */
async function answerAll(bench: Workbench, tasks: readonly LoadedTask[], id: string, image: Uint8Array): Promise<Answer[]> {
  const alike = new Map<string, LoadedTask[]>();
  for (const task of tasks) {
    const key = JSON.stringify(preprocessorOf(bench, task));
    alike.set(key, [...(alike.get(key) ?? []), task]);
  }
  const answers: Answer[] = [];
  for (const group of alike.values()) {
    const preprocessor = preprocessorOf(bench, group[0]);
    const { width, height, channels } = preprocessor;
    if (image.length !== width * height * channels) {
      throw new LabError("bad-arguments", `The image has ${image.length} bytes where ${width}×${height}×${channels} are needed.`);
    }
    const said = await bench.answer(group, { pixels: pixelValues(image, 1, { width, height, channels }, preprocessor) });
    answers.push(...group.map((task, i) => answerOf(task, id, said[i])));
  }
  return answers;
}

function answerOf(task: LoadedTask, id: string, said: Said): Answer {
  if ("text" in said) return { id, task: task.id, label: said.text, probability: NaN, top: [], text: said.text };
  const { logits } = said;
  if (task.texts?.kind === "regression") return { id, task: task.id, label: String(Math.round(logits[0] * 1000) / 1000), probability: 1, top: [] };
  const ranked = [...softmax(logits)].map((probability, index) => ({ label: task.labels[index] ?? String(index), probability })).sort((a, b) => b.probability - a.probability);
  return { id, task: task.id, label: ranked[0].label, probability: ranked[0].probability, top: ranked.slice(0, shownLabels) };
}

function preprocessorOf(bench: Workbench, task: LoadedTask): ImagePreprocessor {
  const { preprocessor } = bench.loaded.models.find((model) => model.id === task.head)?.model ?? {};
  if (!preprocessor) throw new LabError("bad-samples", `The model whose head scores ${task.id} takes no images.`);
  return preprocessor;
}
