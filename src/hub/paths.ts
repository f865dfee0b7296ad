/** Paths told by files from outside: they stay inside their folder. */
export function isInside(path: string): boolean {
  return path !== "" && !/^[/\\]|\\|\0/.test(path) && !path.split("/").some((part) => part === ".." || part === "." || part === "");
}

/** "onnx/model.onnx", "model.onnx_data" → "onnx/model.onnx_data". */
export const beside = (path: string, other: string): string => path.slice(0, path.lastIndexOf("/") + 1) + other;
