"""The cases: what each YAML says, on which family, which tensors of the result are kept.

A case is (name, family, YAML as a dict, keep, note). `keep` is a list of parts of tensor names; a case of two families is
two cases, `<name>` and `<name>-bf16`.
"""

EXPERTS = ["math", "code", "chat"]
LAYER = ["layers.1.mlp", "layers.1.self_attn.q", "layers.1.input", "layers.0.self_attn.k", "layers.0.self_attn.v",
         "layers.2.mlp.down", "embed_tokens", "model.norm"]  # each peculiarity of the family once
BRIEF = ["q_proj", "input_layernorm", "embed_tokens", "model.norm", "lm_head"]  # something of each layer
ALL = [""]
BOTH = ("float32", "bfloat16")
RANDOM = {"dare_linear", "dare_ties", "della_linear", "della"}


def models(*names, each=None, **own):
    """`each`: parameters all of them get; `own`: parameters by model."""
    out = []
    for name in names:
        parameters = {**(each or {}), **own.get(name, {})}
        out.append({"model": name, **({"parameters": parameters} if parameters else {})})
    return out


def case(name, recipe, families=BOTH, keep=None, note=""):
    return [
        (name if family == "float32" else f"{name}-bf16", family, recipe, keep or LAYER, note)
        for family in families
    ]


def over_base(method, parameters=None, each=None, names=EXPERTS, **own):
    """A method on task vectors: `weight` 1 each unless told."""
    recipe = {"merge_method": method, "base_model": "base", "models": models(*names, each=each, **own)}
    if parameters:
        recipe["parameters"] = parameters
    return recipe


UNEVEN = {"math": {"weight": 0.7}, "code": {"weight": 0.5}, "chat": {"weight": 0.25}}
SIGNED = {"math": {"weight": 1.0}, "code": {"weight": -0.5}, "chat": {"weight": 0.75}}


def core():
    """One tensor at a time, no layers or filters: what a method is tested against."""
    w1 = {"weight": 1.0}
    pair = {"merge_method": "slerp", "base_model": "math", "models": models("math", "code")}
    yield from case("linear", {"merge_method": "linear", "models": models(*EXPERTS, each=w1)}, keep=ALL)
    yield from case("linear-weights", {"merge_method": "linear", "models": models(*EXPERTS, **UNEVEN)})
    yield from case("linear-sum", {"merge_method": "linear", "models": models(*EXPERTS, **SIGNED), "parameters": {"normalize": False}})
    yield from case("task-arithmetic", over_base("task_arithmetic", each={"weight": 0.3}))
    yield from case("task-arithmetic-lambda", over_base("task_arithmetic", {"normalize": True, "lambda": 1.5}, **UNEVEN))
    yield from case("task-arithmetic-zero-sum", over_base("task_arithmetic", {"normalize": True}, names=["math", "code"],
                    math={"weight": 0.5}, code={"weight": -0.5}), keep=["layers.1.self_attn"], note="Σw = 0: divided by 1")
    yield from case("ties", over_base("ties", each={"weight": 1.0, "density": 0.2}), keep=ALL)
    yield from case("ties-dense", over_base("ties", each=w1))
    yield from case("ties-weights", over_base("ties", {"lambda": 1.3}, math={"weight": 0.7, "density": 0.5},
                    code={"weight": 0.5, "density": 0.35}, chat={"weight": -0.25, "density": 0.9}))
    yield from case("ties-sum", over_base("ties", {"normalize": False, "int8_mask": True}, each={"weight": 0.5, "density": 0.4}))
    yield from case("ties-rescale", over_base("ties", {"rescale": True}, each={"weight": 1.0, "density": 0.3}))
    yield from case("ties-one-element", over_base("ties", each={"weight": 1.0, "density": 0.001}), keep=["layers.1."],
                    note="int(density·n) = 0: one element is kept all the same")
    yield from case("breadcrumbs", over_base("breadcrumbs", each={"weight": 0.5, "density": 0.6}))
    yield from case("breadcrumbs-gamma", over_base("breadcrumbs", {"lambda": 0.8, "normalize": True},
                    math={"weight": 0.7, "density": 0.5, "gamma": 0.1}, code={"weight": 0.5, "density": 0.9, "gamma": 0.2},
                    chat={"weight": 0.4, "density": 0.02, "gamma": 0.0}))
    yield from case("breadcrumbs-ties", over_base("breadcrumbs_ties", each={"weight": 1.0, "density": 0.4, "gamma": 0.05}))
    yield from case("breadcrumbs-ties-normalize", over_base("breadcrumbs_ties", {"normalize": True, "rescale": True},
                    each={"weight": 1.0, "density": 0.4, "gamma": 0.05}))
    for t in (0.25, 0.5):
        yield from case(f"slerp-{t}", {**pair, "parameters": {"t": t}})
    yield from case("slerp-over-base", {"merge_method": "slerp", "base_model": "base", "models": models("chat"), "parameters": {"t": 0.6}})
    yield from case("nuslerp", {"merge_method": "nuslerp", "models": models("math", "code", each=w1)})
    yield from case("nuslerp-rows", {"merge_method": "nuslerp", "models": models("math", "code", math={"weight": 0.3}, code={"weight": 0.9}),
                    "parameters": {"nuslerp_flatten": False}}, note="along the last dimension")
    yield from case("nuslerp-columns", {"merge_method": "nuslerp", "models": models("math", "code", each=w1),
                    "parameters": {"nuslerp_flatten": False, "nuslerp_row_wise": True}}, note="nuslerp_row_wise goes along dimension 0")
    yield from case("nuslerp-base", over_base("nuslerp", names=["math", "chat"], math={"weight": 0.4}, chat={"weight": 0.6}))
    yield from case("nuslerp-base-rows", over_base("nuslerp", {"nuslerp_flatten": False}, each=w1, names=["math", "chat"]))
    yield from case("nuslerp-base-columns", over_base("nuslerp", {"nuslerp_flatten": False, "nuslerp_row_wise": True}, each=w1, names=["math", "chat"]))
    yield from case("nuslerp-zero-sum", over_base("nuslerp", names=["math", "chat"], math={"weight": 0.5}, chat={"weight": -0.5}),
                    keep=["layers.1.mlp"], note="Σw = 0: t = 0.5")
    yield from case("multislerp", {"merge_method": "multislerp", "models": models(*EXPERTS, each=w1)})
    yield from case("multislerp-base", over_base("multislerp", **UNEVEN))
    yield from case("multislerp-raw", over_base("multislerp", {"normalize_weights": False, "eps": 1e-6}, **UNEVEN))
    yield from case("karcher", {"merge_method": "karcher", "models": models(*EXPERTS)})
    yield from case("karcher-settings", {"merge_method": "karcher", "models": models("base", *EXPERTS), "parameters": {"max_iter": 2, "tol": 1e-3}})
    yield from case("model-stock", {"merge_method": "model_stock", "base_model": "base", "models": models(*EXPERTS)})
    yield from case("model-stock-two", {"merge_method": "model_stock", "base_model": "base", "models": models("math", "chat")})
    yield from case("model-stock-filter-wise", {"merge_method": "model_stock", "base_model": "base", "models": models(*EXPERTS),
                    "parameters": {"filter_wise": True}})
    yield from case("sce", {"merge_method": "sce", "base_model": "base", "models": models(*EXPERTS)})
    yield from case("sce-topk", {"merge_method": "sce", "base_model": "base", "models": models(*EXPERTS), "parameters": {"select_topk": 0.3}})
    yield from case("sce-topk-int8", {"merge_method": "sce", "base_model": "base", "models": models("math", "chat"),
                    "parameters": {"select_topk": 0.7, "int8_mask": True}})
    yield from case("nearswap", {"merge_method": "nearswap", "base_model": "math", "models": models("chat"), "parameters": {"t": 0.002}})
    yield from case("arcee-fusion", {"merge_method": "arcee_fusion", "base_model": "base", "models": models("math")})
    yield from case("ram", {"merge_method": "ram", "base_model": "base", "models": models(*EXPERTS)})
    yield from case("ram-epsilon", {"merge_method": "ram", "base_model": "base", "models": models(*EXPERTS), "parameters": {"epsilon": 0.004}})
    yield from case("ramplus-tl", {"merge_method": "ramplus_tl", "base_model": "base", "models": models(*EXPERTS)})
    yield from case("ramplus-tl-settings", {"merge_method": "ramplus_tl", "base_model": "base", "models": models(*EXPERTS),
                    "parameters": {"r": 0.5, "alpha": 0.8, "epsilon": 0.006}})
    yield from case("passthrough", {"merge_method": "passthrough", "models": models("math")}, keep=["layers.1.mlp"])
    yield from case("passthrough-scale", {"merge_method": "passthrough", "models": models("math", each={"scale": 0.7})}, keep=["layers.1.mlp"])


def recipes():
    """What the YAML says around a method: filters, gradients, slices, types, tokenizers."""
    one = ("float32",)
    gradient = {"merge_method": "slerp", "base_model": "math", "models": models("math", "code")}
    yield from case("filters", over_base("ties", {"lambda": [{"filter": "lm_head", "value": 0.5}, {"value": 1.1}]},
                    math={"weight": [{"filter": "self_attn", "value": 0.8}, {"filter": "layers.1", "value": 0.1}, {"value": 0.4}],
                          "density": [{"filter": "mlp", "value": 0.3}, {"filter": "*", "value": 0.8}]},
                    code={"weight": 0.5, "density": 0.6}, chat={"weight": {"filter": "mlp", "value": 0.9}, "density": 0.5},
                    ) | {"parameters": {"weight": 0.2, "lambda": [{"filter": "lm_head", "value": 0.5}, {"value": 1.1}]}},
                    families=one, keep=["q_proj", "up_proj", "model.norm", "lm_head"],
                    note="a filter is a part of the name, the first that matches wins; a model without a match takes the outer value")
    yield from case("gradient", {**gradient, "parameters": {"t": [0, 0.5, 1]}}, families=one, keep=BRIEF,
                    note="embeddings, norm and head take the first value")
    yield from case("gradient-between", {**gradient, "parameters": {"t": [0.1, 0.9]}}, families=one, keep=BRIEF)
    yield from case("gradient-filters", {**gradient, "parameters": {"t": [
                    {"filter": "self_attn", "value": [0, 0.3, 0.5, 1]}, {"filter": "mlp", "value": [1, 0.5, 0]}, {"value": 0.5}]}},
                    families=one, keep=["q_proj", "down_proj", "input_layernorm", "lm_head"])
    yield from case("gradient-model", over_base("task_arithmetic", math={"weight": [0, 1]}, code={"weight": [1, 0.2, 0.6]}, chat={"weight": 0.3}),
                    families=one, keep=BRIEF)
    yield from case("gradient-switch", over_base("task_arithmetic", {"normalize": [True, False, True]}, each={"weight": 0.8}),
                    families=one, keep=["q_proj", "model.norm"], note="true and false do not blend")
    yield from case("slices", {"merge_method": "slerp", "base_model": "math", "slices": [{"sources": [
                    {"model": "math", "layer_range": [0, 3]}, {"model": "code", "layer_range": [0, 3]}]}], "parameters": {"t": [0.2, 0.8]}},
                    families=one, keep=BRIEF)
    yield from case("slices-each-own", {"merge_method": "linear", "slices": [
                    {"sources": [{"model": "math", "layer_range": [0, 2], "parameters": {"weight": 0.3}},
                                 {"model": "code", "layer_range": [1, 3], "parameters": {"weight": [0.7, 0.1]}}], "parameters": {"normalize": False}},
                    {"sources": [{"model": "chat", "layer_range": [2, 3], "parameters": {"weight": [0.2, 0.9]}},
                                 {"model": "math", "layer_range": [0, 1], "parameters": {"weight": 0.5}}]}],
                    "parameters": {"weight": 0.4}}, families=one, keep=BRIEF,
                    note="layers of different places; a slice of one layer takes the last value of a gradient")
    yield from case("slices-fewer", {"merge_method": "task_arithmetic", "base_model": "base", "slices": [
                    {"sources": [{"model": "base", "layer_range": [0, 1]}, {"model": "math", "layer_range": [0, 1], "parameters": {"weight": 0.5}}]},
                    {"sources": [{"model": "base", "layer_range": [2, 3]}, {"model": "code", "layer_range": [2, 3], "parameters": {"weight": 0.5}}]}]},
                    families=one, keep=BRIEF)
    yield from case("frankenmerge", {"merge_method": "passthrough", "slices": [
                    {"sources": [{"model": "math", "layer_range": [0, 2]}]}, {"sources": [{"model": "code", "layer_range": [1, 3]}]},
                    {"sources": [{"model": "math", "layer_range": [2, 3]}]}], "dtype": "bfloat16"}, families=one, keep=BRIEF,
                    note="five layers from three")
    yield from case("frankenmerge-scale", {"merge_method": "passthrough", "slices": [
                    {"sources": [{"model": "math", "layer_range": [0, 2], "parameters": {"scale": [
                        {"filter": "o_proj", "value": 0.5}, {"filter": "down_proj", "value": 0.0}, {"value": 1.0}]}}]},
                    {"sources": [{"model": "code", "layer_range": [0, 3]}]}]}, families=one, keep=["o_proj", "down_proj", "lm_head"])
    yield from case("slices-uneven", {"merge_method": "linear", "slices": [
                    {"sources": [{"model": "math", "layer_range": [0, 1], "parameters": {"weight": 1}}]},
                    {"sources": [{"model": "math", "layer_range": [1, 3], "parameters": {"weight": 0.5}},
                                 {"model": "code", "layer_range": [1, 3], "parameters": {"weight": 0.5}}]}]}, families=one, keep=BRIEF,
                    note="norm and head: only as many models as the first slice has")
    yield from case("base-among-models", over_base("ties", each={"weight": 0.6, "density": 0.5}, names=["math", "base", "chat"]), families=one,
                    note="the base's own parameters are passed over")
    yield from case("linear-with-base", {"merge_method": "linear", "base_model": "base", "models": models("math", "code", each={"weight": 1.0}),
                    "parameters": {"weight": 0.5}}, families=one, note="a base that linear does not need is one more input, appended")
    yield from case("karcher-with-base", {"merge_method": "karcher", "base_model": "base", "models": models(*EXPERTS)}, families=one)
    ties = over_base("ties", each={"weight": 0.8, "density": 0.4})
    for dtype in ("bfloat16", "float16", "float32"):
        yield from case(f"dtype-{dtype}", {**ties, "dtype": dtype}, families=one if dtype != "float32" else ("bfloat16",), keep=["layers.1.", "model.norm"])
        yield from case(f"out-dtype-{dtype}", {**ties, "out_dtype": dtype}, families=one if dtype != "float32" else ("bfloat16",), keep=["layers.1.", "model.norm"])
    yield from case("dtype-and-out", {**ties, "dtype": "float32", "out_dtype": "float16"}, families=("bfloat16",), keep=["layers.1."])
    yield from case("linear-float16", {"merge_method": "linear", "models": models(*EXPERTS, **UNEVEN), "dtype": "float16"}, families=one, keep=["layers.1."])
    yield from case("slerp-float16", {**gradient, "parameters": {"t": 0.3}, "dtype": "float16"}, families=one, keep=["layers.1."])
    words = ["embed_tokens", "lm_head"]
    vocab = over_base("task_arithmetic", each={"weight": 0.4})
    for source in ("base", "union", "chat"):
        yield from case(f"tokenizer-{source}", {**vocab, "tokenizer_source": source}, families=one, keep=words)
    mixed = over_base("task_arithmetic", each={"weight": 0.4}, names=["math", "wide"])
    for source in ("base", "union", "wide"):
        yield from case(f"tokenizer-wide-{source}", {**mixed, "tokenizer_source": source}, families=BOTH if source == "union" else one, keep=words)
    yield from case("tokenizer-union-no-base", {"merge_method": "linear", "models": models("math", "chat", "code", each={"weight": 1.0}),
                    "tokenizer": {"source": "union"}}, families=one, keep=words, note="a token of two models is the mean of both in the third")
    yield from case("tokenizer-tokens", {**mixed, "tokenizer": {"source": "union", "pad_to_multiple_of": 16, "tokens": {
                    "<|user|>": {"source": "wide", "force": True}, "<|sum|>": {"source": {"kind": "zero"}},
                    "<|new|>": {"source": {"kind": "model_token", "model": "math", "token": "<|sum|>"}}}}}, families=one, keep=words)
    yield from case("chat-template-auto", {**vocab, "chat_template": "auto"}, families=one, keep=["model.norm"])
    yield from case("chat-template-named", {**vocab, "tokenizer_source": "base", "chat_template": "chatml"}, families=one, keep=["model.norm"])


def random():
    """Masks drawn at random: nothing elementwise is kept, only what the formula says of each tensor."""
    for method in ("dare_linear", "dare_ties"):
        yield (method.replace("_", "-"), "float32", over_base(method, each={"weight": 1.0, "density": 0.3}, names=["math"]), [], "")
    yield ("dare-linear-no-rescale", "float32", over_base("dare_linear", {"rescale": False}, each={"weight": 1.0, "density": 0.3}, names=["math"]), [], "")
    for method in ("della_linear", "della"):
        yield (method.replace("_", "-"), "float32", over_base(method, each={"weight": 1.0, "density": 0.5, "epsilon": 0.2}, names=["math"]), [], "")
