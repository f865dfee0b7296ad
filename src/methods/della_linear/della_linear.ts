/** Drop at random, small elements more often (arXiv 2406.11617), and rescale. */
import { taskVectors } from "../family.ts";
import { ranked } from "../sparsify/sparsify.ts";

export const dellaLinear = taskVectors({ sparsify: ranked, random: true, consensus: false });
