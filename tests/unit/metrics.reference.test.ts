/** Metrics against scikit-learn, SciPy and lm-evaluation-harness (tools/fixtures/metrics_fixtures.py), and what statistics make of them. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { metrics, type MetricName } from "../../src/fitness/metrics/table.ts";
import { meritOf, part, type Outputs } from "../../src/fitness/metrics/types.ts";
import { cleaned } from "../../src/fitness/tasks/clean.ts";
import { plain } from "../../src/fitness/tasks/judge.ts";
import { intervalOf, meanInterval, pairedDifferences } from "../../src/recipe/statistics.ts";

interface Expected {
  classes: ({ classes: number; labels: number[]; predictions: number[]; logLikelihood: number[] } & Record<"accuracy" | "f1" | "matthews" | "log_likelihood", number>)[];
  numbers: ({ labels: number[]; predictions: number[] } & Record<"pearson" | "spearman", number>)[];
  choices: ({ questions: { sums: number[]; lengths: number[]; right: number[]; acc: number; acc_norm: number; mc2: number }[] } & Record<"multiple_choice" | "multiple_choice_normalised" | "multiple_choice_probability", number>)[];
  texts: { tokens: number[]; logLikelihood: number[]; vocabulary: number; perplexity: number; log_likelihood: number };
  matches: { text: string; answer: string; ignore: ("case" | "punctuation")[]; right: boolean }[];
  brackets: { text: string; cleaned: string }[];
}
const expected = JSON.parse(readFileSync(new URL("../fixtures/tasks/metrics.json", import.meta.url), "utf8")) as Expected;

// Sums of some hundred doubles, in another order than NumPy's.
const agree = (outputs: Outputs, want: Record<string, unknown>, names: readonly MetricName[]) => {
  for (const name of names) expect.soft(metrics[name].score(outputs), name).toBeCloseTo(want[name] as number, 12);
};
const none = { predictions: [], logLikelihood: [], classes: 0 };
const asked = ({ questions }: Expected["choices"][number]): Outputs => ({
  ...none, labels: questions.map(({ right }) => right[0] ?? 0), choices: questions.map(({ sums, lengths }) => ({ sums, lengths })), right: questions.map(({ right }) => right),
});
const written = ({ tokens, logLikelihood, vocabulary }: Expected["texts"]): Outputs => ({ ...none, labels: tokens.map(() => 1), logLikelihood, tokens, uniform: tokens.map((n) => n * Math.log(vocabulary)) });

describe("metrics agree with the reference implementations", () => {
  test.for(expected.classes.map((one, i) => [i, one] as const))("classes %i", ([, one]) => agree(one, one, ["accuracy", "f1", "matthews", "log_likelihood"]));
  test.for(expected.numbers.map((one, i) => [i, one] as const))("numbers %i", ([, one]) => agree({ ...one, logLikelihood: [], classes: 0 }, one, ["pearson", "spearman"]));
  test("texts: perplexity over all tokens together, log-likelihood of a uniform guess over the vocabulary", () => agree(written(expected.texts), { ...expected.texts }, ["perplexity", "log_likelihood"]));

  test.for(expected.choices.map((one, i) => [i, one] as const))("choices %i, question by question", ([, one]) => {
    const outputs = asked(one);
    agree(outputs, one, ["multiple_choice", "multiple_choice_normalised", "multiple_choice_probability"]);
    one.questions.forEach(({ acc, acc_norm, mc2 }, i) => {
      expect.soft(metrics.multiple_choice.sample?.(outputs, i)).toBe(acc);
      expect.soft(metrics.multiple_choice_normalised.sample?.(outputs, i)).toBe(acc_norm);
      expect.soft(metrics.multiple_choice_probability.sample?.(outputs, i)).toBeCloseTo(mc2, 12);
    });
  });

  test.for(expected.matches)("$text is $answer, leaving out $ignore: $right", ({ text, answer, ignore, right }) => {
    expect(plain(text, ignore) === plain(answer, ignore)).toBe(right);
  });

  test("marks in brackets", () => {
    // Blanks at the ends go here, since a prompt is followed by one of its own.
    for (const { text, cleaned: want } of expected.brackets) expect(cleaned(text, ["brackets"])).toBe(want.replace(/ {2,}/g, " ").trim());
  });
});

describe("resamples", () => {
  test("hold all that a metric looks at", () => {
    const indices = [3, 3, 0, 7];
    for (const [outputs, name] of [[asked(expected.choices[1] as Expected["choices"][number]), "multiple_choice_probability"], [written(expected.texts), "perplexity"], [written(expected.texts), "log_likelihood"]] as const) {
      const picked = part(outputs, indices);
      const by = (i: number) => metrics[name].score(part(outputs, [i]));
      expect(picked.labels).toHaveLength(4);
      expect(part(picked, [2]).labels).toEqual(part(outputs, [0]).labels);
      expect(metrics[name].score(part(picked, [3]))).toBe(by(7));
    }
  });

  // b finds every text half a nat a token likelier.
  const b = written(expected.texts);
  const worse = { ...b, logLikelihood: Array.from(b.logLikelihood, (nats, i) => nats - (b.tokens?.[i] ?? 0) / 2) };
  const model = (id: string, outputs: Outputs) => ({ id, tasks: [{ task: "wiki", weight: 1, metric: metrics.perplexity, outputs, clusters: null }] });

  test("a lower perplexity is better: its interval is as it is shown, means and differences are of what is higher", () => {
    const { value, interval, how } = intervalOf(metrics.perplexity, b, null, 7);
    expect(value).toBeCloseTo(expected.texts.perplexity, 9);
    expect(how).toBe("bootstrap, 10000");
    expect((interval?.[0] ?? Infinity) < value && value < (interval?.[1] ?? 0)).toBe(true);
    expect(meanInterval(model("b", b).tasks, 7).value).toBeCloseTo(1 / expected.texts.perplexity, 12);
    const [task, mean] = pairedDifferences(model("b", b), model("worse", worse), 7);
    expect(task).toMatchObject({ verdict: "better", task: "wiki" });
    expect(task?.estimate).toBeCloseTo(1 / expected.texts.perplexity - Math.exp(-0.5) / expected.texts.perplexity, 12);
    expect(mean?.verdict).toBe("better");
  });

  test("of all others a score is its own merit", () => {
    for (const [name, metric] of Object.entries(metrics)) expect(meritOf(metric, 0.25)).toBe(name === "perplexity" ? 4 : 0.25);
  });
});
