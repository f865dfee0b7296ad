/** Data-free methods by name: one folder and one line each, here and in fields.ts. */
import { arceeFusion } from "./arcee_fusion/arcee_fusion.ts";
import { breadcrumbs } from "./breadcrumbs/breadcrumbs.ts";
import { breadcrumbsTies } from "./breadcrumbs_ties/breadcrumbs_ties.ts";
import { dareLinear } from "./dare_linear/dare_linear.ts";
import { dareTies } from "./dare_ties/dare_ties.ts";
import { della } from "./della/della.ts";
import { dellaLinear } from "./della_linear/della_linear.ts";
import type { MethodName } from "./fields.ts";
import { karcher } from "./karcher/karcher.ts";
import { linear } from "./linear/linear.ts";
import type { Method } from "./method.ts";
import { modelStock } from "./model_stock/model_stock.ts";
import { multislerp } from "./multislerp/multislerp.ts";
import { nearswap } from "./nearswap/nearswap.ts";
import { nuslerp } from "./nuslerp/nuslerp.ts";
import { passthrough } from "./passthrough/passthrough.ts";
import { ram } from "./ram/ram.ts";
import { ramplusTl } from "./ramplus_tl/ramplus_tl.ts";
import { rankmean } from "./rankmean/rankmean.ts";
import { sce } from "./sce/sce.ts";
import { slerp } from "./slerp/slerp.ts";
import { taskArithmetic } from "./task_arithmetic/task_arithmetic.ts";
import { ties } from "./ties/ties.ts";

export const methods: { readonly [M in MethodName]: Method } = {
  linear, ties, breadcrumbs, della, slerp, nuslerp, multislerp, karcher, sce, nearswap, ram, passthrough, rankmean,
  task_arithmetic: taskArithmetic,
  dare_linear: dareLinear,
  dare_ties: dareTies,
  della_linear: dellaLinear,
  breadcrumbs_ties: breadcrumbsTies,
  model_stock: modelStock,
  arcee_fusion: arceeFusion,
  ramplus_tl: ramplusTl,
};
