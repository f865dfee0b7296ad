"""A tiny Llama-like family in safetensors: base, three experts (math, code, chat), and one of another vocabulary (wide).

    python tools/parity/family.py            writes tests/fixtures/parity/family/{float32,bfloat16}/<model>/

Everything is drawn from one seed. The weights are chosen for what they bring out in a merge, not for sense:
see `deltas`. The bfloat16 family is the float32 one rounded, so many of its |δ| are exactly equal.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

FIXTURES = Path(__file__).resolve().parents[2] / "tests/fixtures/parity"
FAMILY = FIXTURES / "family"
SEED = 20240601
HIDDEN, INNER, KV, LAYERS, ROWS, WIDE_ROWS = 16, 20, 8, 3, 32, 30
EXPERTS = ("math", "code", "chat")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

# ---------------------------------------------------------------- weights


def shapes(rows=ROWS):
    """Names as in Hugging Face's LlamaForCausalLM, matrices as [out, in]."""
    layer = {
        "input_layernorm.weight": (HIDDEN,),
        "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
        "self_attn.k_proj.weight": (KV, HIDDEN),
        "self_attn.v_proj.weight": (KV, HIDDEN),
        "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        "post_attention_layernorm.weight": (HIDDEN,),
        "mlp.up_proj.weight": (INNER, HIDDEN),
        "mlp.gate_proj.weight": (INNER, HIDDEN),
        "mlp.down_proj.weight": (HIDDEN, INNER),
    }
    return {
        "model.embed_tokens.weight": (rows, HIDDEN),
        **{f"model.layers.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()},
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (rows, HIDDEN),
    }


def draw(*path):
    """A generator that depends on the seed and the names in `path` alone."""
    return np.random.default_rng([SEED, *(int.from_bytes(str(part).encode(), "big") for part in path)])


def base_weights():
    weights = {}
    for name, shape in shapes().items():
        r = draw("base", name)
        weights[name] = 1 + r.normal(0, 0.1, shape) if "norm" in name else r.normal(0, 0.3 if "embed" in name else 0.1, shape)
    return weights


def deltas(expert):
    """Task vectors δ. Most are small and nearly orthogonal; the exceptions are what the cases are about."""
    out = {}
    for name, shape in shapes().items():
        r = draw(expert, name)
        delta = r.normal(0, 0.01, shape)
        if name.endswith("layers.0.self_attn.k_proj.weight") and expert == "math":
            delta[:] = 0  # an expert equal to the base in one tensor
        elif name.endswith("layers.0.self_attn.v_proj.weight"):
            delta *= 2e-4  # ‖δ‖ far below 1e-3, Σδ² below 1e-6: thresholds for smallness
        elif name.endswith("layers.1.mlp.up_proj.weight"):
            delta = np.round(delta * 256) / 256  # a handful of |δ| values: ties everywhere
        elif name.endswith("layers.1.self_attn.q_proj.weight"):
            delta = draw("math", name).normal(0, 0.01, shape) * {"math": 1, "code": -1, "chat": 0.5}.get(expert, 1)  # exactly opposed
        elif name.endswith("layers.2.mlp.down_proj.weight"):
            delta *= 15  # an expert far from home
        elif name.endswith("layers.1.mlp.gate_proj.weight"):
            delta *= r.random(shape) < 0.3  # sparse: unique and shared elements for ram
        elif name == "model.embed_tokens.weight":
            delta[r.random(shape[0]) < 0.4] = 0  # rows of tokens that were never seen
        out[name] = delta
    return out


def expert_weights(base, expert):
    return {name: base[name] + delta for name, delta in deltas(expert).items()}


def wide_weights(base):
    """Another vocabulary: its own rows for its own tokens, the rest like an expert."""
    weights = expert_weights(base, "wide")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = draw("wide rows", name).normal(0, 0.2, (WIDE_ROWS, HIDDEN))
    return weights


# ---------------------------------------------------------------- tokenizers


def tokenizer(words, added):
    """BPE over bytes as Llama 3's, with merges for `words`; `added` come after the vocabulary."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    letters = sorted({c for word in words for c in word})
    for letter in letters:
        vocab[letter] = len(vocab)
    merges = []
    for word in words:
        left = word[0]
        for letter in word[1:]:
            if left + letter not in vocab:
                vocab[left + letter] = len(vocab)
                merges.append((left, letter))
            left += letter
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.decoder = decoders.BPEDecoder()
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.add_tokens([AddedToken(token, normalized=False, special=True) for token in added])
    return t


WORDS = ["model", "merge", "mean", "swarm"]
TOKENIZERS = {
    "base": (WORDS, []),
    "math": (WORDS, ["<|sum|>"]),
    "code": (WORDS, ["<|def|>"]),  # takes the place that <|sum|> has in math
    "chat": (WORDS, ["<|def|>", "<|user|>"]),  # shares a token with code; both places are padding in base
    "wide": (["swarm", "boids", "merge"], ["<|user|>", "<|wide|>"]),  # other tokens, other order
}
TEMPLATES = {
    "code": "{% for m in messages %}<|user|>{{ m['content'] }}\n{% endfor %}",  # as chat: two of three
    "math": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    "chat": "{% for m in messages %}<|user|>{{ m['content'] }}\n{% endfor %}",
}


def write_tokenizer(folder, model):
    words, added = TOKENIZERS[model]
    t = tokenizer(words, added)
    assert t.get_vocab_size() <= (WIDE_ROWS if model == "wide" else ROWS), f"{model}: {t.get_vocab_size()} tokens"
    t.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64,
        "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "clean_up_tokenization_spaces": False,
    }
    if model in TEMPLATES:
        settings["chat_template"] = TEMPLATES[model]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


# ---------------------------------------------------------------- folders


def config(model, dtype):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": KV,
        "vocab_size": WIDE_ROWS if model == "wide" else ROWS, "max_position_embeddings": 64,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "initializer_range": 0.02,
        "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False, "use_cache": True, "torch_dtype": dtype,
    }


def write_model(folder, model, weights, dtype, shards=1):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(w)).to(torch.float32).to(DTYPES[dtype]) for name, w in weights.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    else:
        names, place = list(tensors), {}
        for i in range(shards):
            part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
            file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
            save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
            place |= dict.fromkeys(part, file)
        total = sum(t.numel() * t.element_size() for t in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": place}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    (folder / "config.json").write_text(json.dumps(config(model, dtype), indent=2) + "\n")
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 2}) + "\n")
    write_tokenizer(folder, model)


def build(root=FAMILY):
    base = base_weights()
    members = {"base": base, **{expert: expert_weights(base, expert) for expert in EXPERTS}, "wide": wide_weights(base)}
    for dtype in DTYPES:
        for model, weights in members.items():
            write_model(Path(root) / dtype / model, model, weights, dtype, shards=2 if model == "wide" else 1)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else FAMILY)
