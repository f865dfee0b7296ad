/** The formula of a merge with its numbers filled in, as a person reads it: θ is the result, θ₀ the base, δ = θ − θ₀ of a model. */
import { settle, type Settled } from "./check.ts";
import type { MethodName } from "./fields.ts";
import type { TensorJob } from "./types.ts";

export type FormulaJob = Pick<TensorJob, "method" | "inputs" | "base" | "parameters">;

/** Models written out; of more only how many there are. */
const MOST_TERMS = 4;

interface Words {
  readonly job: FormulaJob;
  readonly whole: Settled["whole"];
  readonly models: readonly { readonly id: string; readonly own: Readonly<Record<string, number | boolean>> }[];
}

/** One or two lines of plain text; throws "bad-recipe" where the numbers make no sense together. */
export function formula(job: FormulaJob): string {
  const { whole, perModel, models } = settle({ ...job, name: "every tensor", shape: [], seed: 0 });
  const words: Words = { job, whole, models: models.map((i) => ({ id: job.inputs[i]?.id ?? "", own: perModel[i] ?? {} })) };
  return writers[job.method as MethodName](words); // settle knew the name
}

/** Six digits at most, a true minus. */
const show = (value: unknown): string => String(Number(Number(value).toPrecision(6))).replace("-", "−");
const percent = (share: number): string => `${show(100 * share)} %`;
/** "0.3·" before a term, nothing for 1. */
const times = (value: unknown): string => (value === 1 ? "" : `${show(value)}·`);
const letter = ({ job }: Words) => (job.base === null ? "θ" : "δ");

/** w·x + w·x − w·x; signs between the terms. */
function weighed({ models }: Words, term: (id: string, i: number) => string, weight: (i: number) => number = (i) => Number(models[i]?.own["weight"] ?? 1)): string {
  if (models.length === 0) return "0";
  if (models.length > MOST_TERMS) return `Σ wᵢ·${term("i", 0)} over ${models.length} models`;
  return models
    .map(({ id }, i) => {
      const w = weight(i);
      const sign = i === 0 ? (w < 0 ? "−" : "") : w < 0 ? " − " : " + ";
      return `${sign}${times(Math.abs(w))}${term(id, i)}`;
    })
    .join("");
}

const totalWeight = ({ models }: Words) => models.reduce((sum, { own }) => sum + Number(own["weight"]), 0);

type Mask = (own: Readonly<Record<string, number | boolean>>) => string;

/** θ₀ + λ·(Σ w·mask(δ) ÷ …), and what the masks and Σ′ mean. */
const family = (consensus: boolean, mask?: { readonly of: Mask; readonly says: string }) => (words: Words): string => {
  const { whole, models } = words;
  const name = (i: number) => (mask && Number(models[i]?.own["density"]) < 1 ? mask.of(models[i]?.own ?? {}) : "");
  const sum = weighed(words, (id, i) => `${name(i)}δ_${id}`);
  const many = models.length > 1 || consensus;
  const alike = whole["election"] === "unweighted";
  const divisor = whole["normalize"] ? (consensus ? (alike ? " / how many" : " / Σ′w") : ` / ${show(Math.abs(totalWeight(words)) < 1e-8 ? 1 : totalWeight(words))}`) : "";
  const inner = consensus ? `Σ′(${sum})${divisor}` : `${many && (divisor || whole["lambda"] !== 1) ? `(${sum})` : sum}${divisor}`;
  const notes = [
    mask && models.some(({ own }) => Number(own["density"]) < 1) ? mask.says + scopeOf(words) : "",
    mask && whole["rescale"] && models.some(({ own }) => Number(own["density"]) < 1) ? (whole["rescaling"] === "inverse" ? "kept ones ÷ density" : "kept ones × ‖δ‖₁/‖kept‖₁") : "",
    consensus ? (alike ? "Σ′: only terms whose change has the sign of the sum of all changes" : "Σ′: only terms with the sign of their sum") : "",
  ].filter(Boolean);
  return [`θ = θ₀ + ${times(whole["lambda"])}${inner}`, ...(notes.length ? [notes.join("; ")] : [])].join("\n");
};

const scopeOf = ({ whole }: Words) => (whole["scope"] === "model" ? " of the whole model" : whole["scope"] === "tensor" ? " of each tensor" : "");

const topMask = { of: (own: Record<string, number | boolean>) => `top ${percent(Number(own["density"]))} `, says: "top: the largest |δ|" };
const randomMask = { of: (own: Record<string, number | boolean>) => `random ${percent(Number(own["density"]))} `, says: "random: each element of δ kept by chance" };
const middleMask = { of: (own: Record<string, number | boolean>) => `middle ${percent(Number(own["density"]))} `, says: "middle: |δ| below the γ largest" };
const rankedMask = {
  of: ({ density, epsilon }: Record<string, number | boolean>) => `random ${percent(Number(density) - Number(epsilon))}–${percent(Number(density) + Number(epsilon))} `,
  says: "random: kept by chance, the larger |δ| in its row the likelier",
};

const one = ({ models }: Words) => models[0]?.id ?? "";

const writers: { readonly [M in MethodName]: (words: Words) => string } = {
  linear: (words) => {
    const sum = weighed(words, (id) => `θ_${id}`);
    return words.whole["normalize"] && totalWeight(words) !== 1 ? `θ = (${sum}) / ${show(totalWeight(words))}` : `θ = ${sum}`;
  },
  task_arithmetic: family(false),
  ties: family(true, topMask),
  dare_linear: family(false, randomMask),
  dare_ties: family(true, randomMask),
  della_linear: family(false, rankedMask),
  della: family(true, rankedMask),
  breadcrumbs: family(false, middleMask),
  breadcrumbs_ties: family(true, middleMask),
  slerp: (words) => `θ = sin(${show(1 - Number(words.whole["t"]))}·Ω)/sin Ω · θ₀ + sin(${show(words.whole["t"])}·Ω)/sin Ω · θ_${one(words)}\nΩ: the angle between both tensors; nearly none: a straight line`,
  nuslerp: (words) => {
    const [a, b] = words.models.map(({ own }) => Number(own["weight"])) as [number, number];
    const t = Math.abs(a + b) < 1e-6 ? 0.5 : b / (a + b);
    const [x, y] = words.models.map(({ id }) => `${letter(words)}_${id}`);
    const where = words.whole["nuslerp_flatten"] ? "tensors" : words.whole["nuslerp_row_wise"] ? "columns" : "rows";
    return `θ = ${words.job.base === null ? "" : "θ₀ + "}sin(${show(1 - t)}·Ω)/sin Ω · ${x} + sin(${show(t)}·Ω)/sin Ω · ${y}\nΩ: the angle between both ${where}`;
  },
  multislerp: (words) => {
    const total = words.whole["normalize_weights"] ? totalWeight(words) : 1;
    const sum = weighed(words, (id) => `${letter(words)}_${id}/‖${letter(words)}_${id}‖`, (i) => Number(words.models[i]?.own["weight"]) / total);
    return `θ = ${words.job.base === null ? "" : "θ₀ + "}r · m/‖m‖, m = ${sum}\nr: the mean of the lengths, weighed alike`;
  },
  karcher: (words) => `θ = r · the mean on the sphere of ${weighed(words, (id) => `θ_${id}`, () => 1).replaceAll(" + ", ", ")}\nr: the mean of their lengths; at most ${show(words.whole["max_iter"])} steps, until one is under ${show(words.whole["tol"])}`,
  model_stock: (words) => {
    const n = words.models.length;
    return `θ = t·(${weighed(words, (id) => `θ_${id}`, () => 1)})/${n} + (1−t)·θ₀, t = ${n}c / (1 + ${n - 1}c)\nc: mean cosine between the task vectors, of ${words.whole["filter_wise"] ? "each row" : "each tensor"}`;
  },
  sce: (words) => {
    const share = Number(words.whole["select_topk"]);
    return `θ = θ₀ + Σ′(${weighed(words, (id) => `w_${id}·δ_${id}`, () => 1)}) / Σ′w, w: mean δ², divided by their sum\n${share < 1 ? `δ: only the ${percent(share)} of elements that vary most; ` : ""}Σ′: only terms with the sign of their sum`;
  },
  nearswap: (words) => `θ = w·θ_${one(words)} + (1−w)·θ₀, w = min(1, ${show(words.whole["t"])} / |θ_${one(words)} − θ₀|)`,
  arcee_fusion: (words) => `θ = θ_${one(words)} where I ≥ median + 1.5·(Q₃ − Q₁), θ₀ elsewhere\nI = |δ| · KL between the softmax of both rows`,
  ram: (words) => `θ = θ₀ + Σ′(${weighed(words, (id) => `δ_${id}`, () => 1)}) / count\nΣ′, count: over the models with |δ| > ${show(words.whole["epsilon"])} there`,
  ramplus_tl: (words) => {
    const { r, alpha, epsilon } = words.whole;
    return `θ = θ₀ + Σ′(${weighed(words, (id) => `δ_${id}`, () => 1)}) / count\nΣ′, count: over the models with |δ| > ${show(epsilon)} there; where it is one alone, × (1 + ${show(r)}·min(shared/alone, ${show(alpha)}))`;
  },
  passthrough: (words) => `θ = ${times(words.models[0]?.own["scale"] ?? 1)}θ_${one(words)}`,
  rankmean: (words) => `θ = ${weighed(words, (id) => `w_${id}·θ_${id}`, () => 1)}, w = r/Σr\nr: how the layer ranks among the model's own by Σ|δ|; outside the layers all weigh the same`,
};
