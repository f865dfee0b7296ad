/** PNG images in one folder a label: `<label>/<anything>.png`. Sides are not kept apart; a sample's id is its path. */
import { LabError } from "../../lib/error.ts";
import type { Folder } from "../sources/source.ts";
import { decodePng, toChannels } from "./png.ts";
import type { SampleKind } from "./samples.ts";

/** Code units: the same order everywhere. */
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const images = (folder: Folder): string[] => folder.files.map((file) => file.path).filter((path) => /^[^/]+\/.+\.png$/i.test(path)).sort(byCode);

export const imageFolder: SampleKind = {
  matches: (folder) => images(folder).length > 0,
  async load(folder, onProgress) {
    const paths = images(folder);
    const labels = [...new Set(paths.map((path) => path.split("/")[0] ?? ""))].sort(byCode);
    let first: { width: number; height: number; channels: number; name: string } | null = null;
    let pixels = new Uint8Array();
    for (const [i, path] of paths.entries()) {
      const name = `${folder.reference}/${path}`;
      const picture = decodePng((await folder.read(path)).bytes, name);
      // Grey stays grey, everything else becomes RGB.
      first ??= { width: picture.width, height: picture.height, channels: picture.channels <= 2 ? 1 : 3, name };
      if (picture.width !== first.width || picture.height !== first.height) {
        throw new LabError("bad-samples", `${name} is ${picture.width}×${picture.height} but ${first.name} is ${first.width}×${first.height}. Store all images at the model's input size.`);
      }
      const each = first.width * first.height * first.channels;
      if (i === 0) pixels = new Uint8Array(paths.length * each);
      pixels.set(toChannels(picture, first.channels, name), i * each);
      onProgress?.({ file: folder.reference, state: "verify", loaded: i + 1, total: paths.length });
    }
    const { width = 1, height = 1, channels = 1 } = first ?? {};
    const label = paths.map((path) => labels.indexOf(path.split("/")[0] ?? ""));
    // One part, named three times: which side a sample falls on is the sample rule's business.
    const all = { pixels, label, id: paths, cluster: null };
    return { kind: "pictures", width, height, channels, labels, split: false, splits: { optimise: all, validate: all, test: all }, downloadBytes: 0 };
  },
};
