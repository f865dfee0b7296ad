/** Drop both tails (arXiv 2312.06795). */
import { taskVectors } from "../family.ts";
import { betweenTails, magnitude } from "../sparsify/sparsify.ts";

export const breadcrumbs = taskVectors({ sparsify: magnitude(betweenTails), consensus: false });
