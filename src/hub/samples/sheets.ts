/** Sheets: tiles of one size, row by row in a PNG a side, described by samples.json. */
import { z } from "zod";
import { LabError } from "../../lib/error.ts";
import type { HubProgress, LoadedPictures } from "../../threads/hub.ts";
import { parseJson } from "../check.ts";
import { beside, isInside } from "../paths.ts";
import type { Folder } from "../sources/source.ts";
import { decodePng, toChannels } from "./png.ts";
import type { SampleKind } from "./samples.ts";

const SIDES = ["optimise", "validate", "test"] as const;

const side = z.object({
  sheet: z.string().refine(isInside, "a path inside the folder"),
  count: z.int().min(0).max(10_000_000),
  label: z.array(z.int().min(0)),
  id: z.array(z.string().min(1)),
  cluster: z.array(z.string()).nullish(),
});
const sheet = z.object({
  samples: z.literal(1),
  width: z.int().min(1).max(4096),
  height: z.int().min(1).max(4096),
  channels: z.int().min(1).max(4),
  columns: z.int().min(1).max(100_000),
  labels: z.array(z.string()).min(1),
  splits: z.object({ optimise: side, validate: side, test: side }),
});
type Sheet = z.infer<typeof sheet>;

const pathIn = (folder: Folder): string | undefined => ["samples/samples.json", "samples.json"].find((path) => folder.files.some((file) => file.path === path));

export const sheets: SampleKind = {
  matches: (folder) => pathIn(folder) !== undefined,
  async load(folder, onProgress) {
    const path = pathIn(folder) ?? "";
    const name = `${folder.reference}/${path}`;
    const list = await folder.read(path, onProgress);
    const told = parseJson(new TextDecoder().decode(list.bytes), sheet, name, "bad-samples");
    let downloadBytes = list.downloaded;
    const splits = {} as LoadedPictures["splits"];
    for (const which of SIDES) {
      check(told, which, name);
      const { label, id, cluster } = told.splits[which];
      const { pixels, downloaded } = await tiles(folder, beside(path, told.splits[which].sheet), told, which, onProgress);
      splits[which] = { pixels, label, id, cluster: cluster ?? null };
      downloadBytes += downloaded;
    }
    const { width, height, channels, labels } = told;
    return { kind: "pictures", width, height, channels, labels, split: true, splits, downloadBytes };
  },
};

function check(told: Sheet, which: (typeof SIDES)[number], file: string): void {
  const { count, label, id, cluster } = told.splits[which];
  const fail = (why: string): never => {
    throw new LabError("bad-samples", `${file}: splits.${which} ${why}.`, { details: { file, split: which } });
  };
  if (label.length !== count) fail(`says count ${count} but has ${label.length} labels`);
  if (id.length !== count) fail(`says count ${count} but has ${id.length} ids`);
  if (cluster && cluster.length !== count) fail(`says count ${count} but has ${cluster.length} clusters`);
  const wrong = label.find((one) => one >= told.labels.length);
  if (wrong !== undefined) fail(`has the label ${wrong}, but there are ${told.labels.length} labels`);
}

async function tiles(folder: Folder, path: string, told: Sheet, which: (typeof SIDES)[number], onProgress?: HubProgress): Promise<{ pixels: Uint8Array; downloaded: number }> {
  const { width, height, channels, columns } = told;
  const { count } = told.splits[which];
  if (count === 0) return { pixels: new Uint8Array(), downloaded: 0 };
  const file = await folder.read(path, onProgress);
  const name = `${folder.reference}/${path}`;
  const picture = decodePng(file.bytes, name);
  const rows = Math.ceil(count / columns);
  if (picture.width < Math.min(count, columns) * width || picture.height < rows * height) {
    throw new LabError("bad-samples", `${name} is ${picture.width}×${picture.height}, too small for ${count} tiles of ${width}×${height}, ${columns} a row.`);
  }
  const all = toChannels(picture, channels, name);
  const pixels = new Uint8Array(count * height * width * channels);
  for (let i = 0; i < count; i++) {
    const left = (i % columns) * width;
    const top = Math.floor(i / columns) * height;
    for (let y = 0; y < height; y++) {
      const from = ((top + y) * picture.width + left) * channels;
      pixels.set(all.subarray(from, from + width * channels), (i * height + y) * width * channels);
    }
  }
  return { pixels, downloaded: file.downloaded };
}
