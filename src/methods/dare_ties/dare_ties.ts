/** Drop at random and rescale (arXiv 2311.03099), then elect signs. */
import { taskVectors } from "../family.ts";
import { bernoulli } from "../sparsify/sparsify.ts";

export const dareTies = taskVectors({ sparsify: bernoulli, random: true, consensus: true });
