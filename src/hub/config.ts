/** `config.json`, `preprocessor_config.json` and `names.json` as they lie on the Hub, reduced to what merging needs. */
import { z } from "zod";
import type { ImagePreprocessor, ModelConfig, NamesMap } from "../checkpoint/types.ts";
import { parseJson } from "./check.ts";

const config = z.looseObject({
  model_type: z.string().nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  num_channels: z.int().min(1).max(16).nullish(),
  image_size: z.union([z.number(), z.array(z.number())]).nullish(),
});

export function parseConfig(json: string, file: string): ModelConfig {
  const raw = parseJson(json, config, file, "unknown-model");
  return { modelType: raw.model_type ?? null, labels: labelsOf(raw.id2label ?? null), raw };
}

/** {"0": "cat", "1": "dog"} → in order; null unless the numbers are 0, 1, 2 … */
function labelsOf(id2label: Record<string, string> | null): string[] | null {
  if (!id2label) return null;
  const labels = Object.keys(id2label).map((_, i) => id2label[i]);
  return labels.length > 0 && labels.every((label) => label !== undefined) ? (labels as string[]) : null;
}

const size = z.union([z.int().min(1), z.object({ height: z.int().min(1), width: z.int().min(1) }), z.object({ shortest_edge: z.int().min(1) })]);
const preprocessor = z.looseObject({
  size: size.nullish(),
  crop_size: size.nullish(),
  do_center_crop: z.boolean().nullish(),
  do_rescale: z.boolean().nullish(),
  rescale_factor: z.number().nullish(),
  do_normalize: z.boolean().nullish(),
  image_mean: z.union([z.number(), z.array(z.number())]).nullish(),
  image_std: z.union([z.number(), z.array(z.number())]).nullish(),
});

/** null: not a preprocessor of images. */
export function parsePreprocessor(json: string, file: string, config: ModelConfig | null): ImagePreprocessor | null {
  const raw = parseJson(json, preprocessor, file, "unknown-model");
  const wanted = (raw.do_center_crop ? raw.crop_size : null) ?? raw.size;
  if (!wanted) return null;
  const edge = (name: "width" | "height") => (typeof wanted === "number" ? wanted : "shortest_edge" in wanted ? wanted.shortest_edge : wanted[name]);
  const list = (value: number | number[] | null | undefined, otherwise: number) => (typeof value === "number" ? [value] : (value ?? [otherwise]));
  const mean = raw.do_normalize === false ? [0] : list(raw.image_mean, 0);
  const std = raw.do_normalize === false ? [1] : list(raw.image_std, 1);
  const channels = Number(config?.raw["num_channels"] ?? Math.max(mean.length, std.length));
  const each = (values: number[]) => Array.from({ length: channels }, (_, c) => values[c] ?? values[0] ?? 0);
  return { width: edge("width"), height: edge("height"), channels, rescale: raw.do_rescale === false ? 1 : (raw.rescale_factor ?? 1 / 255), mean: each(mean), std: each(std) };
}

const names = z.object({
  names: z.literal(1),
  tensors: z.record(z.string(), z.object({ name: z.string().min(1), transposed: z.boolean(), shape: z.array(z.int().min(0)) })),
});

export const parseNames = (json: string, file: string): NamesMap => parseJson(json, names, file, "unknown-model");
