/** The recipe's tasks: what is scored, on which samples, by which metric. */
import * as z from "zod";
import { METRIC_NAMES, PLANNED_METRICS, type MetricName } from "../fitness/metrics/table.ts";
import { between, choice, count, fields, id, must } from "../lib/fields.ts";
import { list, show, suggestion } from "../lib/words.ts";
import { reference, resolved } from "./models.ts";

/** Most samples of one task on one side. */
export const MOST_SAMPLES = 1_000_000;

const text = () => z.string(must("must be text")).min(1, must("must not be empty")).max(200, must("must be at most 200 characters"));

const samples = () =>
  z.union(
    [count(0, MOST_SAMPLES), z.array(text()).max(MOST_SAMPLES, must("must be at most 1,000,000 sample ids"))],
    must("must be a whole number from 0 to 1,000,000 or a list of sample ids"),
  );

const metric = z.enum(METRIC_NAMES as [MetricName, ...MetricName[]], {
  error: ({ input }) => {
    if (typeof input !== "string") return `must be the name of a metric, not ${show(input)}`;
    if (PLANNED_METRICS.includes(input)) return `names ${input}, which is part of the format but not there yet; there are ${list(METRIC_NAMES)}`;
    return `names ${show(input)}, which is no metric${suggestion(input, METRIC_NAMES)}`;
  },
});

export const measure = () => choice(["metric", "log_likelihood"]);

const SOURCE = z.union(
  [
    reference(),
    fields({
      dataset: reference().describe("Dataset on the Hub"),
      config: text().optional().describe("Configuration of the dataset"),
      split: text().optional().describe("Its split, as the Hub names it"),
      columns: z.record(text(), text(), must("must be an object of column names")).optional().describe("Which column is what: { \"text\": \"sentence\" }"),
      ...resolved,
    }),
  ],
  must("must be a sample set (zoo/family/name or a path) or an object with dataset, config, split, columns"),
);

export const TASK = fields({
  id: id().describe("Name of the task in the report"),
  head: id().optional().describe("Expert whose head and preprocessing score it; left out where the model needs none"),
  source: SOURCE.describe("Where its samples come from"),
  metric: metric.default("accuracy").describe("Higher is better"),
  measure: measure().optional().describe("What the search is told of this task, over fitness.measure"),
  optimise: samples().default(50).describe("Samples a search sees: how many, or which ids; 0: scored, not searched"),
  validate: samples().default(0).describe("Samples that choose among a search's bests"),
  test: samples().default(500).describe("Samples no search sees"),
  weight: between(0, 1_000_000).default(1).describe("Weight in the mean over tasks"),
});
