/** Trim, elect signs, merge disjointly (arXiv 2306.01708). */
import { taskVectors } from "../family.ts";
import { largest, magnitude } from "../sparsify/sparsify.ts";

export const ties = taskVectors({ sparsify: magnitude(largest), consensus: true });
