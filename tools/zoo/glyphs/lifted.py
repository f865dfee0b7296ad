"""A stored graph whose weights are inputs: any body can be scored through any head, as the browser does it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from data import Samples
from settings import BATCH

HEAD = "classifier."


class Lifted:
    def __init__(self, file: Path, threads: int = 2):
        graph_model = onnx.load(file)
        graph = graph_model.graph
        stored = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
        casts = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "Cast" and n.input[0] in stored}
        self.weights = {name: numpy_helper.to_array(t).astype(np.float32) for name, t in stored.items()}
        self.input_of = casts
        kept = [n for n in graph.node if not (n.op_type == "Cast" and n.input[0] in stored)]
        constants = [t for t in graph.initializer if t.name not in stored]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(kept)
        graph.initializer.extend(constants)
        for name, weight in self.weights.items():
            graph.input.append(helper.make_tensor_value_info(casts[name], TensorProto.FLOAT, weight.shape))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            graph_model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def body(self) -> dict[str, np.ndarray]:
        return {name: w for name, w in self.weights.items() if not name.startswith(HEAD)}

    def logits(self, samples: Samples, body: dict[str, np.ndarray] | None = None) -> np.ndarray:
        feeds = {self.input_of[name]: w for name, w in {**self.weights, **(body or {})}.items()}
        x = (samples.pixels[:, None].astype(np.float32) / 255 - 0.5) / 0.5
        parts = [
            self.session.run(None, {**feeds, "pixel_values": x[i : i + BATCH]})[0] for i in range(0, len(x), BATCH)
        ]
        return np.concatenate(parts)


def accuracy(logits: np.ndarray, label: np.ndarray) -> float:
    return float((logits.argmax(1) == label).mean())


def log_likelihood(logits: np.ndarray, label: np.ndarray) -> float:
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    return float((z[np.arange(len(label)), label] - np.log(np.exp(z).sum(1))).mean())
