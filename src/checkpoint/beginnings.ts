/** Files that are something else than their name says, known by how they begin. */

/** `null`: a kind that nobody asks for by that name. `take`: the file to take instead. */
const beginnings: readonly (readonly [kind: string | null, RegExp, (take: string) => string])[] = [
  // First: the length it begins with may look like any other beginning.
  ["safetensors", /^.{8}\{\s*["}]/s, () => "a safetensors file"],
  [null, /^version https:\/\/git-lfs/, () => "a Git LFS pointer, not the model itself: run `git lfs pull`, or download the file from the web site"],
  [null, /^\s*<(!doctype|html|\?xml)/i, (take) => `a web page, not a model: the address may be wrong or need a login. The file to have is ${take}`],
  [null, /^PK\x03\x04/, (take) => `a ZIP archive (PyTorch's .bin files are such, too): take ${take}`],
  [null, /^\x80[\x02-\x05]/, (take) => `a Python pickle, which can run any code and is not opened: take ${take}`],
  [null, /^\x89HDF/, (take) => `an HDF5 file, as TensorFlow writes them: take ${take}`],
  [null, /^GGUF/, (take) => `a GGUF file: take ${take}`],
  [null, /^....ORTM/s, (take) => `in onnxruntime's own .ort format: take ${take}`],
  ["ONNX", /^\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]/, () => "an ONNX file"],
];

/** What a file is that should be of another kind, as the end of a sentence; null where nothing speaks against it. */
export function otherKind(bytes: Uint8Array, kind: "ONNX" | "safetensors", take: string): string | null {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  for (const [known, pattern, what] of beginnings) {
    if (!pattern.test(start)) continue;
    return known === kind ? null : `${what(take)}${known ? `, not ${kind}` : ""}`;
  }
  return null;
}
