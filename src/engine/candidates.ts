/** Candidates as the slot takes them: coefficients over the basis, one row or one row a segment. */
import { LabError } from "../lib/error.ts";
import type { Candidate } from "../search/types.ts";

/** Null for resident particles, whose weights lie in the swarm, and for merges that are made from the models. */
export function coefficientsOf(candidate: Candidate, columns: number, segments: number): Float64Array | null {
  switch (candidate.kind) {
    case "coefficients":
      expectLength(candidate.values.length, columns, "coefficients");
      return Float64Array.from(candidate.values);
    case "grouped": {
      expectLength(candidate.values.length, segments, "rows of coefficients");
      const table = new Float64Array(segments * columns);
      candidate.values.forEach((row, segment) => {
        expectLength(row.length, columns, "coefficients");
        table.set(row, segment * columns);
      });
      return table;
    }
    case "resident":
    case "method":
      return null;
  }
}

function expectLength(got: number, wanted: number, what: string): void {
  if (got !== wanted) throw new LabError("bad-recipe", `A candidate has ${got} ${what} where this space has ${wanted}.`);
}
