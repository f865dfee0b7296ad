"""Models of honest size with made-up weights, for timing: a base and three experts each.

    python tools/parity/synthetic.py small [DIR]     22.3M parameters, about as wide and deep as MiniLM-L6, float32 and bfloat16
    python tools/parity/synthetic.py large [DIR]     0.99B, Llama 3.2 1B with 12 layers: 128,256 × 2,048 embeddings, tied; bfloat16, 1 GB shards

All are Llama's: mergekit 0.1.5 stops at every BERT with a TypeError (an optional tensor that has aliases).
DIR is <temporary folder>/murmuration-synthetic unless given. A folder that is there already is left as it is.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

MODELS = ("base", "a", "b", "c")
DEFAULT = Path(tempfile.gettempdir()) / "murmuration-synthetic"
SHARD_BYTES = 10**9
SIZES = {
    "small": {"hidden": 384, "inner": 1024, "layers": 6, "words": 30522, "kv": 384, "heads": 6},
    "large": {"hidden": 2048, "inner": 8192, "layers": 12, "words": 128256, "kv": 512, "heads": 32},
}


def llama(hidden, inner, layers, words, kv, heads):
    shapes = {"model.embed_tokens.weight": (words, hidden)}
    for i in range(layers):
        for name, shape in {
            "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (kv, hidden), "self_attn.v_proj": (kv, hidden), "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner),
        }.items():
            shapes[f"model.layers.{i}.{name}.weight"] = shape
    shapes["model.norm.weight"] = (hidden,)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv // 64, "head_dim": 64, "vocab_size": words, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
    }
    return shapes, config


def weights(name, shape, index, dtype):
    """The base, and for an expert (index > 0) the base plus a small change; each tensor from its own seed."""
    seed = torch.Generator().manual_seed(sum(name.encode()) * 1009 + len(name))
    base = torch.randn(shape, generator=seed).mul_(0.02).add_("norm" in name.lower() and name.endswith("weight"))
    if index:
        base += torch.randn(shape, generator=torch.Generator().manual_seed(index * 7919 + sum(name.encode()) * 31 + len(name))).mul_(0.001)
    return base.to(dtype)


def write(folder, index, shapes, config, dtype):
    """In shards of at most SHARD_BYTES, one in memory at a time."""
    if (folder / "config.json").exists():
        return print(f"{folder} is there")
    folder.mkdir(parents=True, exist_ok=True)
    size = torch.finfo(dtype).bits // 8
    shards, room = [[]], SHARD_BYTES
    for name, shape in shapes.items():
        tensor_bytes = torch.Size(shape).numel() * size
        if tensor_bytes > room and shards[-1]:
            shards.append([])
            room = SHARD_BYTES
        shards[-1].append(name)
        room -= tensor_bytes
    place = {}
    for i, names in enumerate(shards):
        file = "model.safetensors" if len(shards) == 1 else f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file({name: weights(name, shapes[name], index, dtype) for name in names}, folder / file, {"format": "pt"})
        place |= dict.fromkeys(names, file)
    total = sum(torch.Size(shape).numel() for shape in shapes.values())
    if len(shards) > 1:
        text = json.dumps({"metadata": {"total_size": total * size}, "weight_map": place})
        (folder / "model.safetensors.index.json").write_text(text)
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": str(dtype).split(".")[1]}, indent=2) + "\n")
    print(f"{folder}: {total:,} parameters, {len(shards)} file(s)")


def build(what, root=DEFAULT):
    shapes, config = llama(**SIZES[what])
    for dtype in (torch.float32, torch.bfloat16) if what == "small" else (torch.bfloat16,):
        for index, model in enumerate(MODELS):
            write(Path(root) / f"{what}-{str(dtype).split('.')[1]}" / model, index, shapes, config, dtype)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("small", "large"):
        sys.exit(__doc__)
    build(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else DEFAULT)
