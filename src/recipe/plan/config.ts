/** `config.json` of the result: the donor's, with what is true of the result: layers, vocabulary, type. */
type Config = Readonly<Record<string, unknown>>;

export interface Changes {
  /** Where each layer comes from; null where layers are as they were. */
  readonly layers: readonly { readonly model: string; readonly layer: number }[] | null;
  /** Dotted keys that say how many layers there are. */
  readonly layerKeys: readonly string[];
  readonly layersOf: (model: string) => Config | null;
  /** Rows of a new vocabulary, or null. */
  readonly rows: number | null;
  /** Null where tensors have several types. */
  readonly dtype: string | null;
}

/** Lists with an entry a layer. */
const LAYERED = ["layer_types", "attention_types", "attention_layers", "mlp_layer_types", "no_rope_layers", "layers_block_type"];

export function resultConfig(donor: Config | null, { layers, layerKeys, layersOf, rows, dtype }: Changes): Config | null {
  if (donor === null) return null;
  const config = structuredClone(donor) as Record<string, unknown>;
  if (layers !== null) {
    for (const key of layerKeys) put(config, key, layers.length);
    for (const name of LAYERED) {
      if (!Array.isArray(config[name])) continue;
      const entries = layers.map(({ model, layer }) => (layersOf(model)?.[name] as unknown[] | undefined)?.[layer]);
      if (entries.every((entry) => entry !== undefined)) config[name] = entries;
    }
  }
  if (rows !== null) put(config, "vocab_size" in config || typeof config.text_config !== "object" ? "vocab_size" : "text_config.vocab_size", rows);
  // transformers 5 writes dtype, earlier ones torch_dtype; both are read.
  if (dtype !== null) {
    if ("dtype" in config) config.dtype = dtype;
    if ("torch_dtype" in config || !("dtype" in config)) config.torch_dtype = dtype;
  }
  return config;
}

function put(config: Record<string, unknown>, key: string, value: unknown): void {
  const [first = "", ...rest] = key.split(".");
  if (rest.length === 0) config[first] = value;
  else put(config[first] as Record<string, unknown>, rest.join("."), value);
}
