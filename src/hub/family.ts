/** The lists of a zoo, checked: index.json names families, family.json their models, tasks and files. */
import { z } from "zod";
import type { ZooFamily } from "../threads/hub.ts";
import { parseJson } from "./check.ts";

const id = z.string().regex(/^[a-z0-9][a-z0-9_-]*$/);
const text = z.string().max(10_000);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const model = z.object({ id, model: text, title: text, summary: text.default(""), icon: text.default("") });
const task = z.object({ id, title: text, head: id.optional(), source: text, metric: id.optional(), labels: z.array(text) }).transform(({ head, metric, ...rest }) => ({
  ...rest,
  ...(head === undefined ? {} : { head }),
  ...(metric === undefined ? {} : { metric }),
}));
const family = z.object({
  family: id,
  version: z.number(),
  title: text,
  summary: text.default(""),
  licence: text.default(""),
  batch: z.int().min(1).max(65_536),
  names: text.optional(),
  base: model,
  experts: z.array(model).max(1000),
  tasks: z.array(task).max(1000),
  parameters: z.number(),
  files: z.record(text, z.object({ bytes: z.int().min(0), sha256 })),
  measured: z.unknown().optional(),
});
const index = z.object({ zoo: z.literal(1), families: z.array(id).max(1000) });

export const parseFamily = (json: string, file: string): ZooFamily => {
  const { names, measured, ...rest } = parseJson(json, family, file, "unknown-model");
  return { ...rest, ...(names === undefined ? {} : { names }), ...(measured === undefined ? {} : { measured }) };
};
export const parseZooIndex = (json: string, file: string): string[] => parseJson(json, index, file, "unknown-model").families;
