/** transformers.js: tokenizers, model classes and `generate()`. Loaded when texts are first scored; it fetches nothing itself. */
import * as ort from "onnxruntime-web/webgpu";
import { LabError } from "../../lib/error.ts";
import "../runtime.ts"; // says where the runtime's WASM lies, before the library would say a public CDN

export type Library = typeof import("@huggingface/transformers");

let loading: Promise<Library> | null = null;

export function library(): Promise<Library> {
  loading ??= import("@huggingface/transformers").then((loaded) => {
    loaded.env.allowRemoteModels = false;
    loaded.env.allowLocalModels = false;
    loaded.env.useBrowserCache = false;
    ort.env.logLevel = "error"; // the library sets its own
    return loaded;
  });
  return loading.catch((cause: unknown) => {
    loading = null;
    throw new LabError("internal", "The part of the lab that reads texts could not be loaded. Reload the page; offline it is there after one visit online.", { cause });
  });
}
