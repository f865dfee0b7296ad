/** Files leave the page as downloads made here; a zip stores what does not shrink. */
import { zipSync, type Zippable } from "fflate";
import type { ExportedFile } from "../index.ts";

/** A browser asks for each click one file; the address is let go once the download has begun. */
export function save(name: string, content: Uint8Array | string, type = "application/octet-stream"): void {
  const blob = new Blob([content as BlobPart], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Weights hardly shrink: stored as they are. Times are fixed so that the same merge gives the same zip. */
export function zipped(files: readonly Pick<ExportedFile, "path" | "bytes">[]): Uint8Array {
  const mtime = "2026-01-01";
  const tree: Zippable = {};
  for (const { path, bytes } of files) tree[path] = [bytes, { level: /\.(onnx|safetensors|png)$/.test(path) ? 0 : 6, mtime }];
  return zipSync(tree);
}

export const fileName = (path: string): string => path.replaceAll("/", "-");

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
