import { expect, test } from "vitest";
import { METHOD_NAMES } from "../../src/methods/fields.ts";
import { formula, type FormulaJob } from "../../src/methods/formula.ts";
import { cases, jobOf } from "../fixtures/methods/jobs.ts";

const job = (method: string, own: readonly Record<string, number>[], parameters: FormulaJob["parameters"] = {}, base: number | null = 0): FormulaJob => ({
  method, base, parameters,
  inputs: [...(base === 0 ? [{ id: "base", parameters: {} }] : []), ...own.map((one, i) => ({ id: ["digits", "kana", "thai", "letters", "hebrew"][i]!, parameters: one }))],
});

test.each([
  [job("linear", [{ weight: 0.6 }, { weight: 0.4 }], {}, null), "θ = 0.6·θ_digits + 0.4·θ_kana"],
  [job("linear", [{ weight: 1 }, { weight: 1 }], {}, null), "θ = (θ_digits + θ_kana) / 2"],
  [job("task_arithmetic", [{ weight: 1 }, { weight: -0.5 }], { lambda: 0.3 }), "θ = θ₀ + 0.3·(δ_digits − 0.5·δ_kana)"],
  [job("ties", [{ weight: 1, density: 0.2 }, { weight: 0.5, density: 0.2 }], { lambda: 1.5 }), "θ = θ₀ + 1.5·Σ′(top 20 % δ_digits + 0.5·top 20 % δ_kana) / Σ′w\ntop: the largest |δ| of each tensor; Σ′: only terms with the sign of their sum"],
  [job("dare_linear", [{ weight: 1, density: 0.1 }], { rescaling: "inverse" }), "θ = θ₀ + random 10 % δ_digits\nrandom: each element of δ kept by chance; kept ones ÷ density"],
  [job("slerp", [{}], { t: 0.25 }), "θ = sin(0.75·Ω)/sin Ω · θ₀ + sin(0.25·Ω)/sin Ω · θ_digits\nΩ: the angle between both tensors; nearly none: a straight line"],
  [job("model_stock", [{}, {}, {}]), "θ = t·(θ_digits + θ_kana + θ_thai)/3 + (1−t)·θ₀, t = 3c / (1 + 2c)\nc: mean cosine between the task vectors, of each tensor"],
  [job("passthrough", [{ scale: 0.5 }], {}, null), "θ = 0.5·θ_digits"],
  [job("linear", Array.from({ length: 5 }, () => ({ weight: 0.2 })), {}, null), "θ = Σ wᵢ·θ_i over 5 models"],
])("%#: %j", (one, text) => expect(formula(one)).toBe(text));

test("every method has one, without holes", () => {
  for (const one of cases) expect(formula(jobOf(one, [1]))).not.toMatch(/NaN|undefined|null|Infinity/);
  expect(new Set(cases.map(({ method }) => method))).toEqual(new Set(METHOD_NAMES));
});

test("numbers that make no sense are refused as they are in a merge", () => {
  expect(() => formula(job("ties", [{ weight: 1, density: 2 }]))).toThrow("density of digits must be a number from 0 to 1");
});
