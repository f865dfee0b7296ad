/** What the page says about models from the Hub or from folders: naming them, looking at them, loading them. */
const plural = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export const own = {
  link: "Bring your own…",
  title: "Your own models",
  sub: "A base and experts tuned from it, by their names on the Hub or as folders dropped here. A look reads headers only; weights are downloaded when you say so, and never leave this browser.",
  base: "base",
  baseHint: "owner/name, as on the Hub",
  expert: (n: number) => `expert ${n}`,
  expertHint: "owner/name, or owner/name+owner/adapter",
  addExpert: "Add an expert",
  remove: "Remove", removeOne: (name: string) => `Remove ${name}`,
  drop: "Or drop model folders here, each laid out as on the Hub: config.json, tokenizer, onnx/model.onnx or model.safetensors.",
  addFolder: "Add a folder",
  holds: (files: number, size: string) => `${plural(files, "file")}, ${size}`,
  wrong: (problem: string) => `This ${problem}.`,
  twice: "This model is named twice.",
  strange: (names: string) => `${names}: neither a folder with a model in it (ONNX or safetensors) nor samples (JSONL, JSON, CSV, a folder of pictures).`,
  notDropped: "This folder was not dropped here. Add it below, or name a model on the Hub.",

  hub: "Another Hub, or a token",
  address: "Hub", addressHint: "https://huggingface.co",
  viewer: "its dataset viewer", viewerHint: "datasets-server. before the Hub's host",
  useAddress: "Use this Hub",
  usesAddress: (address: string) => `Models come from ${address}.`,
  token: "token",
  tokenHint: "hf_…",
  tokenNote: "For gated and private models. It stays in memory, goes to the Hub and its dataset viewer only, and is gone when the page closes.",
  setToken: "Use this token", dropToken: "Forget the token", hasToken: "A token is set.",

  look: "Look", lookAgain: "Look again", looking: "Reading headers…",
  read: (size: string) => `Read for this look: ${size}.`,
  fits: "These models fit.", misfits: "These models do not fit.", unread: "Not all of these models can be read.", unclear: "Whether these models fit shows when they are downloaded.",
  shared: (tensors: number, weights: string) => `${plural(tensors, "tensor")} are shared: ${weights}.`,
  memory: (f32: string, f16: string) => `Weights take ${f32} of memory, or ${f16} packed as halves.`,
  columns: { model: "model", kind: "kind", licence: "licence", size: "size" },
  kinds: { onnx: "ONNX", safetensors: "safetensors", lora: "LoRA adapter" } as Readonly<Record<string, string>>,
  noLicence: "none named",
  tuned: (base: string) => `tuned from ${base}`,
  gated: "gated", private: "private",
  files: (n: number) => plural(n, "file"),
  cached: "here already", download: "to download",
  notes: "Remarks",
  unreadable: "unknown",

  consent: {
    title: "Download from the Hub?",
    link: "This recipe names models on the Hub. Nothing of them was downloaded yet.",
    looking: "Reading headers, to say what a download would cost…",
    samples: (names: string) => `Samples come as rows from ${names}, through the Hub's dataset viewer.`,
    total: (files: number, size: string, here: string) =>
      files === 0 ? `Nothing to download: ${here} are here.` : `${plural(files, "file")}, ${size} to download${here === "" ? "" : `; ${here} are here already`}.`,
    promise: (device: string) => `They are kept in this browser and run on this device${device === "" ? "" : ` (${device})`}. Nothing leaves this browser.`,
    yes: (size: string) => `Download ${size} and load`,
    load: "Load",
    anyway: "Try all the same",
    no: "Not now",
  },

  load: {
    title: "Load",
    needsLook: "Look first: it says what would be downloaded.",
    needsTask: "Choose at least one task: a search needs something to score on.",
    cancel: "Stop; go on later",
    stopped: "Stopped. What came so far is kept: the next try goes on from there.",
  },

  arrivals: {
    label: "Files on their way",
    summary: (files: number, loaded: string, total: string) => `${plural(files, "file")}: ${loaded} of ${total}`,
    states: { download: "downloading", verify: "checking", cache: "kept", cached: "from the cache" } as Readonly<Record<string, string>>,
    done: "here",
  },
} as const;

export const families = {
  label: "Family",
  own: "yours",
} as const;
