/** θ₀ + λ·Σ wδ (arXiv 2212.04089). */
import { taskVectors } from "../family.ts";

export const taskArithmetic = taskVectors({ sparsify: null, consensus: false });
