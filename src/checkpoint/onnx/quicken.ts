/** A lifted graph made ready to be run many times: the same outputs (but for rounding), less work. For scoring only, never for export. */
import { fuseAttention } from "./attention.ts";
import { foldShapes } from "./folding.ts";
import { narrowRows } from "./narrow.ts";
import { fuseNorms } from "./norms.ts";
import { decodeModel, encodeModel } from "./proto.ts";

export function quicken(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes, "the graph");
  const normed = model.graph !== undefined && fuseNorms(model.graph);
  const fused = fuseAttention(model);
  const narrowed = model.graph !== undefined && narrowRows(model.graph);
  const folded = model.graph !== undefined && foldShapes(model.graph);
  return normed || fused || narrowed || folded ? encodeModel(model) : bytes;
}
