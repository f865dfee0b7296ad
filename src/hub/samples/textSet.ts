/** A bundled set of texts: samples.json says how its lines are asked, `<task>.jsonl` has one sample a line, its side in `split`. */
import { z } from "zod";
import { LabError } from "../../lib/error.ts";
import type { RowsTold } from "../../threads/hub.ts";
import { parseJson } from "../check.ts";
import { beside, isInside } from "../paths.ts";
import type { Folder } from "../sources/source.ts";
import { columnsOf, jsonLines, sideNamed, splitBy } from "./rows.ts";
import type { SampleKind } from "./samples.ts";

const about = z.object({
  samples: z.literal(1),
  kind: z.enum(["text_to_text", "generation", "multiple_choice", "text_classification"]),
  metric: z.string().max(64).optional(),
  file: z.string().refine(isInside, "a path inside the folder"),
  max_new_tokens: z.int().min(1).max(4096).optional(),
  extract: z.string().min(1).max(200).optional(),
  labels: z.array(z.string().max(200)).min(1).max(10_000).optional(),
});

const KINDS = { text_to_text: "generation", generation: "generation", multiple_choice: "multiple_choice", text_classification: "classification" } as const;

const pathIn = (folder: Folder): string | undefined => ["samples/samples.json", "samples.json"].find((path) => folder.files.some((file) => file.path === path));

export const textSet: SampleKind = {
  // Sheets of pictures have a samples.json too, but no lines.
  matches: (folder) => pathIn(folder) !== undefined && folder.files.some(({ path }) => /^(samples\/)?[^/]+\.jsonl$/.test(path)),
  async load(folder, onProgress) {
    const path = pathIn(folder) ?? "";
    const list = await folder.read(path, onProgress);
    const { kind, metric, file, max_new_tokens, extract, labels } = parseJson(new TextDecoder().decode(list.bytes), about, `${folder.reference}/${path}`, "bad-samples");
    const lines = await folder.read(beside(path, file), onProgress);
    const name = `${folder.reference}/${beside(path, file)}`;
    const numbered = jsonLines(new TextDecoder().decode(lines.bytes), name).map((row, number) => ({ row, number }));
    const lost = numbered.find(({ row }) => sideNamed(row.split) === null);
    if (lost) throw new LabError("bad-samples", `Sample ${lost.number + 1} of ${name} has no split: it must be optimise, validate or test.`);
    const told: RowsTold = {
      kind: KINDS[kind],
      ...(metric === undefined ? {} : { metric }),
      ...(max_new_tokens === undefined ? {} : { maxNewTokens: max_new_tokens }),
      ...(extract === undefined ? {} : { extract }),
      ...(labels === undefined ? {} : { labels: { label: labels } }),
    };
    return { kind: "rows", columns: columnsOf(numbered.map(({ row }) => row)), told, ...splitBy("split", numbered), downloadBytes: list.downloaded + lines.downloaded };
  },
};
