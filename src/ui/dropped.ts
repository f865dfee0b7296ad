/** Dropped or chosen files as the models and sample files they are: one folder each, or a file alone. */
import type { MountedFile } from "../index.ts";

export interface Dropped {
  /** The folder's name, or the file's. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly files: readonly MountedFile[];
  readonly bytes: number;
}

/** Paths begin with the folder's name, as a drop or a folder field gives them; what begins with a dot is left out. */
export function grouped(files: readonly { readonly path: string; readonly file: File }[]): Dropped[] {
  const found = new Map<string, { isFolder: boolean; files: MountedFile[] }>();
  for (const { path, file } of files) {
    const [name = "", ...rest] = path.split("/").filter(Boolean);
    const inside = rest.join("/");
    if (/(^|\/)\./.test(`${name}/${inside}`)) continue;
    const one = found.get(name) ?? { isFolder: rest.length > 0, files: [] };
    one.files.push({ path: inside || name, bytes: file.size, blob: file });
    found.set(name, one);
  }
  return [...found].map(([name, one]) => ({ name, ...one, bytes: one.files.reduce((sum, { bytes }) => sum + bytes, 0) }));
}

/** Files of a file field. */
export const chosenIn = (input: HTMLInputElement): { path: string; file: File }[] => [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
