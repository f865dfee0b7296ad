/** One picture of a task's unseen samples: a tile of the sheet that lies beside the models (its form: docs of the family). */
import type { ZooFamily } from "../index.ts";
import { SIDE } from "./drawing.ts";

type Task = Pick<ZooFamily["tasks"][number], "id" | "source" | "labels">;

interface Sheet {
  readonly columns: number;
  readonly labels: readonly string[];
  readonly splits: { readonly test: { readonly sheet: string; readonly count: number; readonly label: readonly number[] } };
}

export interface Sample {
  readonly task: string;
  readonly label: string;
  /** `28 × 28` grey. */
  readonly image: Uint8Array;
}

export class Samples {
  #sheets = new Map<string, Promise<{ sheet: Sheet; picture: ImageBitmap }>>();
  #taken = 0;

  /** Another one each time; samples lie grouped by source, so it walks through them in strides. */
  async next(task: Task): Promise<Sample> {
    const loading = this.#sheets.get(task.id) ?? this.#load(task);
    this.#sheets.set(task.id, loading);
    const { sheet, picture } = await loading;
    const { count, label } = sheet.splits.test;
    const at = (this.#taken++ * 389 + 17) % count;
    return { task: task.id, label: sheet.labels[label[at] ?? 0] ?? "", image: tile(picture, at % sheet.columns, Math.floor(at / sheet.columns)) };
  }

  async #load(task: Task): Promise<{ sheet: Sheet; picture: ImageBitmap }> {
    const folder = new URL(`${task.source}/samples/`, document.baseURI);
    const sheet = (await (await got(new URL("samples.json", folder))).json()) as Sheet; // the site's own file
    const picture = await createImageBitmap(await (await got(new URL(sheet.splits.test.sheet, folder))).blob());
    return { sheet, picture };
  }
}

async function got(address: URL): Promise<Response> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address.pathname} could not be read (${answer.status}).`);
  return answer;
}

function tile(picture: ImageBitmap, column: number, row: number): Uint8Array {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const grey = new Uint8Array(SIDE * SIDE);
  context?.drawImage(picture, -column * SIDE, -row * SIDE);
  const pixels = context?.getImageData(0, 0, SIDE, SIDE).data;
  for (let i = 0; i < grey.length; i++) grey[i] = pixels?.[i * 4] ?? 0;
  return grey;
}
