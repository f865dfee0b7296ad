/**
 * What names tell of tensors where mergekit has a list for every architecture: which rows are tokens, which heads may be tied to the
 * embeddings, what a file may lack, and which belongs before the layers and which after.
 */

/** Architectures whose tensors mergekit 0.1.5 lists; for others it takes everything outside the layers as standing before them. */
const LISTED = new Set(`ApertusForCausalLM ArceeForCausalLM BaichuanForCausalLM BertForMaskedLM BertForSequenceClassification BertForMultipleChoice
BertForTokenClassification BertModel ChatGLMModel CohereForCausalLM Cohere2ForCausalLM DistilBertForMaskedLM DistilBertForSequenceClassification
DistilBertForTokenClassification DistilBertModel ExaoneForCausalLM FalconForCausalLM GemmaForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM
Glm4ForCausalLM Glm4MoeForCausalLM GPTNeoXForCausalLM GPT2ForSequenceClassification GPT2LMHeadModel GPTBigCodeForCausalLM GraniteForCausalLM
GraniteMoeHybridForCausalLM InternLM2ForCausalLM JAISLMHeadModel Lfm2ForCausalLM LlamaForSequenceClassification LlamaForCausalLM LLaMaForCausalLM
MambaForCausalLM MistralForCausalLM MixtralForCausalLM Olmo2ForCausalLM MixFormerSequentialForCausalLM PhiForCausalLM Phi3SmallForCausalLM
Phi3ForCausalLM QWenLMHeadModel Qwen2ForCausalLM Qwen3ForCausalLM Qwen3MoeForCausalLM RobertaForMaskedLM RobertaForSequenceClassification
RobertaForTokenClassification RobertaModel SolarForCausalLM StableLMEpochForCausalLM StableLmForCausalLM Starcoder2ForCausalLM
T5ForConditionalGeneration WhisperForConditionalGeneration`.split(/\s+/));

export function isListed(architecture: string | null): boolean {
  return architecture !== null && LISTED.has(architecture);
}

const EMBEDDINGS = /(^|\.)(embed_tokens|tok_embeddings|word_embeddings|wte|embed_in|shared)\.weight$|^backbone\.embeddings\.weight$/;
const HEADS = /(^|\.)(lm_head|embed_out|output_layer|vocab_projector|proj_out)\.(weight|bias)$|^output\.weight$|^lm_head\.(decoder|linear)\.(weight|bias)$|^cls\.predictions\.(decoder\.)?(weight|bias)$/;

/** True where rows are tokens: input embeddings, heads, and biases of heads. */
export function isVocabulary(name: string): boolean {
  return EMBEDDINGS.test(name) || HEADS.test(name);
}

/** Names of the embeddings that stand in for a tensor which a file may leave out, in the order they are looked for; empty where none does. */
export function tiedTo(name: string, names: ReadonlySet<string>): string[] {
  const may = (HEADS.test(name) && name.endsWith(".weight")) || /(^|\.)(encoder|decoder)\.embed_tokens\.weight$/.test(name);
  if (!may) return [];
  const order = (one: string) => (/(^|\.)shared\.weight$/.test(one) ? 0 : HEADS.test(one) ? 1 : 2);
  return [...names].filter((one) => one !== name && one.endsWith(".weight") && (EMBEDDINGS.test(one) || (HEADS.test(one) && !HEADS.test(name)))).sort((a, b) => order(a) - order(b));
}

/** What some files of an architecture have and others have not. */
export function isOptional(name: string): boolean {
  return /(^|\.)(lm_head|lm_head\.decoder|vocab_projector|cls\.predictions\.decoder|(encoder|decoder)\.embed_tokens)\.weight$|^output\.weight$|(^|\.)position_ids$|(^|\.)pooler\.dense\.(weight|bias)$|^score\.bias$|\.relative_attention_bias\.weight$/.test(name);
}

/** Tables that models compute for themselves; older files hold them. */
export function isTable(name: string): boolean {
  return /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$|\.(attn|attention)\.(masked_bias|rotary_emb\.inv_freq)$|(^|\.)h\.\d+\.attn\.bias$/.test(name);
}

/** Final norms, poolers and heads; all else outside the layers stands before them. */
export function standsAfter(name: string, architecture: string | null): boolean {
  if (!isListed(architecture) || /(^|\.)(wte|wpe|embd|embeddings?|embed_tokens|embed_in|tok_embeddings|word_embeddings|embed_positions|embedding_norm|shared)(\.|$)/.test(name.replace(/^embed_out\./, ""))) return false;
  return !/rotary_pos_emb|relative_pe/.test(name);
}

/** BERT's older names for weight and bias of a norm. */
export function otherNames(name: string): string[] {
  const norm = name.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  const older = name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
  return [norm, older].flatMap((one) => [one, ...["transformer.", "bert.", "roberta.", "distilbert.", "model."].flatMap((prefix) => (one.startsWith(prefix) ? [one.slice(prefix.length)] : [prefix + one]))]).filter((one) => one !== name);
}
