/** Drop at random and rescale (arXiv 2311.03099). */
import { taskVectors } from "../family.ts";
import { bernoulli } from "../sparsify/sparsify.ts";

export const dareLinear = taskVectors({ sparsify: bernoulli, random: true, consensus: false });
