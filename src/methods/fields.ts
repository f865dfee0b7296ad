/** What every data-free method takes, by name: one line a method. */
import { LabError } from "../lib/error.ts";
import { suggestion } from "../lib/words.ts";
import { arceeFusionFields } from "./arcee_fusion/fields.ts";
import { breadcrumbsFields } from "./breadcrumbs/fields.ts";
import { breadcrumbsTiesFields } from "./breadcrumbs_ties/fields.ts";
import { dareLinearFields } from "./dare_linear/fields.ts";
import { dareTiesFields } from "./dare_ties/fields.ts";
import { dellaFields } from "./della/fields.ts";
import { dellaLinearFields } from "./della_linear/fields.ts";
import { karcherFields } from "./karcher/fields.ts";
import { linearFields } from "./linear/fields.ts";
import { modelStockFields } from "./model_stock/fields.ts";
import { multislerpFields } from "./multislerp/fields.ts";
import { nearswapFields } from "./nearswap/fields.ts";
import { nuslerpFields } from "./nuslerp/fields.ts";
import { passthroughFields } from "./passthrough/fields.ts";
import { ramFields } from "./ram/fields.ts";
import { ramplusTlFields } from "./ramplus_tl/fields.ts";
import { rankmeanFields } from "./rankmean/fields.ts";
import { sceFields } from "./sce/fields.ts";
import { slerpFields } from "./slerp/fields.ts";
import { type MethodSpec, specOf } from "./spec.ts";
import { taskArithmeticFields } from "./task_arithmetic/fields.ts";
import { tiesFields } from "./ties/fields.ts";

export const methodFields = {
  linear: linearFields,
  task_arithmetic: taskArithmeticFields,
  ties: tiesFields,
  dare_linear: dareLinearFields,
  dare_ties: dareTiesFields,
  della_linear: dellaLinearFields,
  della: dellaFields,
  breadcrumbs: breadcrumbsFields,
  breadcrumbs_ties: breadcrumbsTiesFields,
  slerp: slerpFields,
  nuslerp: nuslerpFields,
  multislerp: multislerpFields,
  karcher: karcherFields,
  model_stock: modelStockFields,
  sce: sceFields,
  nearswap: nearswapFields,
  arcee_fusion: arceeFusionFields,
  ram: ramFields,
  ramplus_tl: ramplusTlFields,
  passthrough: passthroughFields,
  rankmean: rankmeanFields,
} as const;

export type MethodName = keyof typeof methodFields;
export const METHOD_NAMES = Object.keys(methodFields) as MethodName[];

export function isMethod(name: string): name is MethodName {
  return Object.hasOwn(methodFields, name);
}

const specs = new Map<MethodName, MethodSpec>();

/** Which parameters are per model and which belong to the whole, with defaults; a name that is no method is refused. */
export function methodSpec(name: string): MethodSpec {
  if (!isMethod(name)) throw new LabError("bad-recipe", `${JSON.stringify(name)} is no merge method${suggestion(name, METHOD_NAMES)}.`);
  let spec = specs.get(name);
  if (!spec) specs.set(name, (spec = specOf(name, methodFields[name])));
  return spec;
}
