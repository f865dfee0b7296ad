/** Drop at random, small elements more often (arXiv 2406.11617), rescale, elect signs. */
import { taskVectors } from "../family.ts";
import { ranked } from "../sparsify/sparsify.ts";

export const della = taskVectors({ sparsify: ranked, random: true, consensus: true });
