/**
 * `adapter_config.json` of a LoRA adapter, as PEFT 0.21 writes it. What scales the change of a weight is taken from it; kinds of
 * adapters whose change is not s·B·A (or DoRA's) are refused by name: added as if it were, they would give a wrong model silently.
 */
import * as z from "zod";
import { LabError } from "../../lib/error.ts";
import { show } from "../../lib/words.ts";

export interface AdapterConfig {
  readonly rank: number;
  readonly alpha: number;
  /** s = α/√r instead of α/r. */
  readonly rankStabilised: boolean;
  readonly dora: boolean;
  /** Weights that lie [in, out], as GPT-2's do; decides only where a square one could be meant either way. */
  readonly fanInFanOut: boolean;
  /** By module, as regular expressions; the first that fits wins. */
  readonly rankPattern: readonly (readonly [string, number])[];
  readonly alphaPattern: readonly (readonly [string, number])[];
  /** Names, or one regular expression; what is adapted is told by the tensors, this is for messages. */
  readonly targets: string | readonly string[] | null;
  /** The base it was trained on, in its own words; never used as an address. */
  readonly base: string | null;
}

const positive = z.number().positive().max(1e6);
const patterns = z.record(z.string().max(500), positive).nullish().transform((record) => Object.entries(record ?? {}));
const flag = z.boolean().nullish().transform(Boolean);

const schema = z.looseObject({
  peft_type: z.string().max(100),
  r: z.int().positive().max(1e6),
  lora_alpha: z.number().max(1e6).default(8),
  use_rslora: flag,
  use_dora: flag,
  fan_in_fan_out: flag,
  rank_pattern: patterns,
  alpha_pattern: patterns,
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Starting points that change the base's own weights, so that the adapter means another base than the one it names. */
const changesBase = /^(pissa|olora|corda|loftq|lora_ga)/i;
const known = new Set(["use_rslora", "use_dora", "eva_config", "loftq_config", "corda_config", "lora_ga_config", "runtime_config", "megatron_config"]);

/** `file`: for messages. */
export function parseAdapterConfig(text: string, file: string): AdapterConfig {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new LabError("bad-safetensors", `${file} is not JSON. Download it again.`, { cause, details: { file } });
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new LabError("bad-safetensors", `${file} describes no adapter that can be read: ${issue?.path.map(String).join(".") || "it"} is not as PEFT writes it (${issue?.message ?? "invalid"}).`, { details: { file } });
  }
  const config = parsed.data;
  const other = otherKind(config);
  if (other) throw new LabError("unsupported-safetensors", `${file}: ${other}. Merge it into its base with PEFT (merge_and_unload), save that, and take it as a model.`, { details: { file } });
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    rankStabilised: config.use_rslora,
    dora: config.use_dora,
    fanInFanOut: config.fan_in_fan_out,
    rankPattern: config.rank_pattern,
    alphaPattern: config.alpha_pattern,
    targets: config.target_modules ?? null,
    base: config.base_model_name_or_path || null,
  };
}

function otherKind(config: z.infer<typeof schema>): string | null {
  if (config.peft_type.toUpperCase() !== "LORA") return `it is an adapter of the kind ${show(config.peft_type)}; only LoRA and DoRA are read`;
  const { init_lora_weights: start } = config;
  if (typeof start === "string" && changesBase.test(start)) {
    return `it began as ${show(start)}, which changes the base's own weights too, and they are not in the adapter (PEFT saves such adapters as plain LoRA when told path_initial_model_for_weight_conversion)`;
  }
  for (const field of ["layer_replication", "target_parameters", "trainable_token_indices", "alora_invocation_tokens"]) {
    const value = config[field];
    if (value != null && !(Array.isArray(value) && value.length === 0)) return `it uses ${field}, which is not read here`;
  }
  const variant = Object.entries(config).find(([field, value]) => /^use_|_config$/.test(field) && !known.has(field) && value != null && value !== false);
  return variant ? `it uses ${show(variant[0])}, which is not read here` : null;
}

/** s of a module, "model.layers.0.self_attn.q_proj": α/r, or α/√r. */
export function scaleOf({ alpha, alphaPattern, rankStabilised }: AdapterConfig, module: string, rank: number): number {
  return patterned(alphaPattern, module, alpha) / (rankStabilised ? Math.sqrt(rank) : rank);
}

export const rankOf = ({ rank, rankPattern }: AdapterConfig, module: string): number => patterned(rankPattern, module, rank);

/** A pattern fits where it is the module's name or its end, whole words between dots. */
function patterned(list: readonly (readonly [string, number])[], module: string, otherwise: number): number {
  return list.find(([pattern]) => expression(pattern).test(module))?.[1] ?? otherwise;
}

/** Patterns come from strangers: one that repeats a repetition could keep the thread busy for ever. */
function expression(pattern: string): RegExp {
  try {
    if (!/[*+}][^(]*\)\s*[*+{]/.test(pattern)) return new RegExp(`^(?:.*\\.)?(?:${pattern})$`);
  } catch {
    // told below
  }
  throw new LabError("unsupported-safetensors", `The adapter gives ranks or alphas by the pattern ${show(pattern)}, which cannot be read. Write the modules' names instead.`);
}
