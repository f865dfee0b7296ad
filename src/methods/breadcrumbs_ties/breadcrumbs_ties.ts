/** Drop both tails (arXiv 2312.06795), then elect signs. */
import { taskVectors } from "../family.ts";
import { betweenTails, magnitude } from "../sparsify/sparsify.ts";

export const breadcrumbsTies = taskVectors({ sparsify: magnitude(betweenTails), consensus: true });
