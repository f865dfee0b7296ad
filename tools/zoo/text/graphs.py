"""A checkpoint becomes a Hub-style folder: config, tokenizer, ONNX graphs with half-width weights, one map of names.

Exporters call what MatMul reads `onnx::MatMul_1307`, and the same number means another weight in another file. Here every
stored weight is called what the checkpoint calls it, with `.T` behind it where the graph holds it transposed, so that one
names.json serves all graphs of a family.
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import main_export

OPSET = 18


def subgraphs(graph):
    """A graph and those inside its If nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from subgraphs(attribute.g)


def is_weight(tensor) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 0


def fitting(values: np.ndarray, state: dict[str, np.ndarray]) -> tuple[str, bool]:
    """Which checkpoint tensor these numbers are, and whether they lie transposed."""
    fits = [
        (name, turned)
        for name, weight in state.items()
        for turned in ((False, True) if weight.ndim == 2 else (False,))
        if (weight.T if turned else weight).shape == values.shape and np.array_equal(weight.T if turned else weight, values)
    ]
    assert len(fits) == 1, f"a tensor of shape {values.shape} could be any of {fits}"
    return fits[0]


def store_half(model: onnx.ModelProto, state: dict[str, np.ndarray]) -> dict[str, dict]:
    """Weights take the checkpoint's names and become fp16, each followed by a Cast to fp32 that a reader may fold away."""
    casts, renamed, names = [], {}, {}
    for graph in subgraphs(model.graph):
        stray = [t.name for t in graph.initializer if is_weight(t) and graph is not model.graph]
        assert not stray, f"{stray} lie inside a branch"
    for tensor in [t for t in model.graph.initializer if is_weight(t)]:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        assert np.array_equal(half.astype(np.float32), values), f"{tensor.name} was not rounded before export"
        name, turned = fitting(values, state)
        stored = f"{name}.T" if turned else name
        assert stored not in names, f"{stored} is stored twice"
        names[stored] = dict(name=name, transposed=turned, shape=list(state[name].shape))
        renamed[tensor.name] = f"{stored}/f32"
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(helper.make_node("Cast", [stored], [f"{stored}/f32"], f"{stored}/Cast", to=TensorProto.FLOAT))
    for graph in subgraphs(model.graph):
        for node in graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.doc_string = ""
            del node.metadata_props[:]
        for output in graph.output:
            assert output.name not in renamed
        del graph.value_info[:]
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    return names


def export(network, tokenizer, folder: Path, task: str, files: list[str], checkpoint: Path | None = None) -> dict:
    """Writes the folder; `files` are what is kept of the exporter's graphs. Returns the map of names.

    Where `checkpoint` is given, the safetensors form of the same model is left there.
    """
    warnings.filterwarnings("ignore")
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    aliases = {id_: name for name, id_ in reversed([(n, t.data_ptr()) for n, t in network.state_dict().items()])}
    state = {name: state[name] for name in aliases.values()}  # a tensor that has several names is known by its first
    names = {}
    with tempfile.TemporaryDirectory() as scratch:
        made, out = checkpoint or Path(scratch, "checkpoint"), Path(scratch, "out")
        network.save_pretrained(made)
        tokenizer.save_pretrained(made)
        main_export(str(made), out, task=task, opset=OPSET, legacy=False, do_validation=False)
        for file in files:
            model = onnx.load(out / file)
            for name, entry in store_half(model, state).items():
                assert names.setdefault(name, entry) == entry
            onnx.checker.check_model(model, full_check=True)
            onnx.save(model, folder / "onnx" / file)
        for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            content = json.loads((made / name).read_text())
            content.pop("_name_or_path", None)
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    missing = set(state) - {entry["name"] for entry in names.values()}
    assert not missing, f"not in the graphs: {missing}"
    return dict(names=1, tensors=names)
