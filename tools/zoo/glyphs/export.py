"""A checkpoint becomes a Hub-style folder: config, preprocessor, and an ONNX graph with half-width weights."""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import main_export
from transformers import ViTImageProcessor

from settings import SIZE

OPSET = 18


def store_half(graph_model: onnx.ModelProto) -> None:
    """Floating initializers of rank ≥ 1 become fp16, each followed by a Cast to fp32 that a reader may fold away."""
    graph = graph_model.graph
    casts, renamed = [], {}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 0:
            values = numpy_helper.to_array(tensor)
            half = values.astype(np.float16)
            assert np.array_equal(half.astype(np.float32), values), f"{tensor.name} was not rounded before export"
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
            renamed[tensor.name] = f"{tensor.name}_f32"
            casts.append(helper.make_node("Cast", [tensor.name], [renamed[tensor.name]], f"{tensor.name}/Cast", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.node[:]
    graph.node.extend(casts + nodes)
    del graph.value_info[:]


def fix_input(graph_model: onnx.ModelProto) -> None:
    """Only the batch stays free: [batch, 1, 28, 28]."""
    for value in (*graph_model.graph.input, *graph_model.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_param = "batch"
        if len(dims) == 4:
            for dim, size in zip(dims[1:], (1, SIZE, SIZE)):
                dim.dim_value = size


def export(network, folder: Path) -> None:
    warnings.filterwarnings("ignore")
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint, out = Path(scratch, "checkpoint"), Path(scratch, "out")
        network.save_pretrained(checkpoint)
        ViTImageProcessor(
            do_resize=True, size=dict(height=SIZE, width=SIZE),
            do_rescale=True, rescale_factor=1 / 255,
            do_normalize=True, image_mean=[0.5], image_std=[0.5],
        ).save_pretrained(checkpoint)
        main_export(str(checkpoint), out, task="image-classification", opset=OPSET, legacy=False, do_validation=False)
        graph_model = onnx.load(out / "model.onnx")
        fix_input(graph_model)
        store_half(graph_model)
        onnx.checker.check_model(graph_model, full_check=True)
        onnx.save(graph_model, folder / "onnx/model.onnx")
        for name in ("config.json", "preprocessor_config.json"):
            content = json.loads((checkpoint / name).read_text())
            content.pop("_name_or_path", None)
            (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def names_of(network, onnx_file: Path) -> dict:
    """Initializer name → checkpoint name, found by value: exporters rename and transpose what MatMul reads."""
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    tensors, taken = {}, set()
    for tensor in onnx.load(onnx_file).graph.initializer:
        if tensor.data_type != TensorProto.FLOAT16:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        fits = [
            (name, turned)
            for name, weight in state.items()
            for turned in (False, True)
            if name not in taken and (weight.T if turned else weight).shape == values.shape
            and np.array_equal(weight.T if turned else weight, values) and not (turned and weight.ndim < 2)
        ]
        fits.sort(key=lambda fit: (fit[0] != tensor.name, fit[1]))
        assert fits, f"{tensor.name} is no tensor of the checkpoint"
        name, turned = fits[0]
        assert len(fits) == 1 or name == tensor.name, f"{tensor.name} could be any of {fits}"
        taken.add(name)
        tensors[tensor.name] = dict(name=name, transposed=turned, shape=list(state[name].shape))
    assert taken == set(state), f"not in the graph: {set(state) - taken}"
    return dict(names=1, tensors=tensors)
