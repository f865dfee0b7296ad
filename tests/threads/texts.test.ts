/** Models that write, in real workers: what the bundled families say is what onnxruntime in Python says of the same files. */
import { afterAll, describe, expect, it } from "vitest";
import { createLab, type LabEvent } from "../../src/index.ts";
import expected from "../fixtures/texts/expected.json";

const lab = createLab({ assets: "/", storage: "texts" });
afterAll(() => lab.close());

/** The machine may be busy, and the library that reads texts is loaded first. */
const slow = { timeout: 60_000 };

interface Prediction {
  readonly model: string;
  readonly task: string;
  readonly sample: string;
  readonly prediction: string;
  readonly score: number;
  readonly choices?: number[];
}

type Expected = Record<string, { ids: string[]; predictions: (string | number)[]; correct: number[]; choices?: number[][]; logLikelihood?: number[]; tokens?: number[] }>;
const told = expected as Expected;

function recipe(family: string, tasks: readonly string[]) {
  return {
    murmuration: 1 as const,
    base: { model: `zoo/${family}/base` },
    experts: tasks.map((id) => ({ id, model: `zoo/${family}/${id}` })),
    tasks: tasks.map((id) => ({ id, source: `zoo/${family}/${id}`, optimise: 4, test: told[`${family}/${id}`]?.ids ?? [] })),
    fitness: { measure: "log_likelihood" as const },
    runs: [{ id: "pso", method: "pso_merging" as const, steps: 1, start: ["base" as const, "experts" as const] }],
    compare: [{ id: "ties", method: "ties" as const, density: 0.5 }],
  };
}

describe.each([["words", ["sounds", "sums"]], ["riddles", ["odd", "sums"]]] as const)("%s", (family, tasks) => {
  const events: LabEvent[] = [];

  it("is merged and scored; experts say what Python hears them say", slow, async () => {
    const report = await lab.run(recipe(family, tasks), { only: [...tasks], onEvent: (event) => events.push(event) });
    expect(report.runs[0]?.trace).toHaveLength(6);
    expect(report.recipe.tasks.map(({ metric }) => metric)).toEqual(tasks.map((id) => (told[`${family}/${id}`]?.choices ? "multiple_choice" : "exact_match")));
    const lines = (await lab.predictions()).trim().split("\n").map((line) => JSON.parse(line) as Prediction);
    for (const task of tasks) {
      const { ids, predictions, correct, choices } = told[`${family}/${task}`] as Expected[string];
      const own = ids.map((id) => lines.find((line) => line.model === task && line.task === task && line.sample === id) as Prediction);
      expect(own.map(({ score }) => score)).toEqual(correct);
      if (choices) {
        own.forEach((line, i) => {
          expect(line.choices).toHaveLength(choices[i]?.length ?? NaN);
          line.choices?.forEach((sum, c) => expect(Math.abs(sum - (choices[i]?.[c] ?? NaN))).toBeLessThan(2e-5));
        });
      } else expect(own.map(({ prediction }) => prediction)).toEqual(predictions);
    }
  });

  it("is told log-likelihoods without a text being written", () => {
    const scored = events.filter((event) => event.type === "scored");
    expect(scored.every(({ fitness, counts }) => fitness !== null && fitness < 1 && Object.keys(counts ?? {}).every((task) => told[`${family}/${task}`]?.choices))).toBe(true);
  });

  it("answers what is asked, and goes out as files that are themselves again", slow, async () => {
    const [answer] = await lab.ask({ prompt: "sums 12+13" }, [{ id: "pso" }]);
    expect(typeof answer?.text).toBe("string");
    const files = await lab.export("pso", true);
    const names = family === "words" ? ["onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx"] : ["onnx/model.onnx"];
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([...names, "config.json", "tokenizer.json", "generation_config.json", "model.safetensors"]));
  });
});
