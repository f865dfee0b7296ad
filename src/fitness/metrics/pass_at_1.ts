/** Share of samples whose generated code, one try each, passes its tests (Chen et al. 2021, with n = k = 1). */
import { accuracy } from "./accuracy.ts";
import type { Metric } from "./types.ts";

export const passAt1: Metric = { ...accuracy, title: "pass@1" };
