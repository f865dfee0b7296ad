/** What one pass over all tensors of a model learns, for methods whose numbers do not follow from one tensor alone. */

/** |δ| at which a selection over the whole flattened model cuts, and how many of the equal ones are still kept, a tensor at a time. */
export interface Cut {
  /** Bits of |δ| (31 of them): above is kept. */
  readonly threshold: number;
  /** Those on the threshold are kept below this element index, by tensor name; a tensor that is not listed keeps none. */
  readonly below: ReadonlyMap<string, number>;
}

export interface Survey {
  /** By input position: the cuts of its sparsifier, highest first (breadcrumbs has two). */
  readonly cuts: readonly (readonly Cut[])[];
  /** rankmean: by input position, rank of a layer among the model's own layers, 1 the least. */
  readonly ranks: readonly ReadonlyMap<number, number>[];
}
