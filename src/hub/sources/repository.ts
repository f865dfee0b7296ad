/** Models of the Hub by `owner/name`: the seam for its client. */
import { LabError } from "../../lib/error.ts";
import type { Source } from "./source.ts";

export const repository: Source = {
  matches: (reference) => /^[\w.-]+\/[\w.-]+(@[\w./-]+)?(\+[\w./@-]+)?$/.test(reference),
  open(reference) {
    throw new LabError("unknown-model", `${reference} names a model of the Hub, which is not read yet: bundled families (zoo/<family>/<name>) and folders (./folder) are. Download it and give its folder.`);
  },
};
