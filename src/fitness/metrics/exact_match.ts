/** Share of samples whose generated text, once read, is the answer. */
import { accuracy } from "./accuracy.ts";
import type { Metric } from "./types.ts";

export const exactMatch: Metric = { ...accuracy, title: "Exact match" };
