"""An ONNX file in onnxruntime whose half-stored weights became inputs, so that merges run on the very graph that is shipped.

A file whose weights are stored otherwise (float32, external data) runs as it is.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


def lifted(file: Path) -> tuple[onnx.ModelProto, dict[str, str], dict[str, np.ndarray]]:
    """(graph, stored name → input that takes its place, stored name → float32 values) of a file with halves behind Casts."""
    model = onnx.load(file)
    graph = model.graph
    halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    cast = [n for n in graph.node if n.op_type == "Cast" and n.input[0] in halves]
    input_of = {n.input[0]: n.output[0] for n in cast}
    weights = {name: numpy_helper.to_array(halves[name]).astype(np.float32) for name in input_of}
    kept = [n for n in graph.node if not (n.op_type == "Cast" and n.input[0] in input_of)]
    constants = [t for t in graph.initializer if t.name not in input_of]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants)
    for name, weight in weights.items():
        graph.input.append(helper.make_tensor_value_info(input_of[name], TensorProto.FLOAT, weight.shape))
    return model, input_of, weights


class Graph:
    def __init__(self, file: Path, threads: int):
        self.input_of, self.weights, source = {}, {}, str(file)
        if any(t.data_type == TensorProto.FLOAT16 for t in onnx.load(file, load_external_data=False).graph.initializer):
            model, self.input_of, self.weights = lifted(file)
            if self.input_of:
                source = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs() if i.name not in self.input_of.values()}
        self.outputs = [o.name for o in self.session.get_outputs()]

    def run(self, feeds: dict, weights: dict | None = None) -> dict:
        """Feeds that this graph does not take are left out: exporters differ in whether they ask for positions."""
        taken = {name: value for name, value in feeds.items() if name in self.inputs}
        for name, weight in self.weights.items():
            taken[self.input_of[name]] = weight if weights is None else weights[name]
        return dict(zip(self.outputs, self.session.run(None, taken)))

    def no_past(self, batch: int, taken: set[str]) -> dict:
        """Empty caches: [batch, heads, 0, width a head]."""
        return {
            name: np.zeros((batch, value.shape[1], 0, value.shape[3]), KINDS[value.type])
            for name, value in self.inputs.items() if name not in taken
        }


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis, in double precision."""
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def summed(logits: np.ndarray, target: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Sum of the log-probabilities of `target` where `said`, one a row; logits [n, length, vocabulary], the rest [n, length]."""
    each = np.zeros(target.shape)
    each[said] = np.take_along_axis(log_softmax(logits[said]), target[said][:, None], -1)[:, 0]
    return each.sum(1)


def on_the_right(rows: list[list[int]], filler: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, mask), both [n, longest]; padded behind."""
    longest = max(map(len, rows))
    return (
        np.array([row + [filler] * (longest - len(row)) for row in rows], np.int64),
        np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64),
    )


def on_the_left(rows: list[list[int]], filler: int) -> tuple[np.ndarray, np.ndarray]:
    tokens, mask = on_the_right([row[::-1] for row in rows], filler)
    return tokens[:, ::-1].copy(), mask[:, ::-1].copy()
