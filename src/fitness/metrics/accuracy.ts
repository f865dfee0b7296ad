/** Share of samples whose likeliest class is the true one. */
import { meanOver, type Metric, type Outputs } from "./types.ts";

const right = ({ labels, predictions }: Outputs, i: number) => (labels[i] === predictions[i] ? 1 : 0);

export const accuracy: Metric = {
  title: "Accuracy",
  range: [0, 1],
  labels: "classes",
  proportion: true,
  sample: right,
  score: (outputs) => meanOver(outputs.labels.length, (i) => right(outputs, i)),
};
