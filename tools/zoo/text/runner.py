"""Exported text models in onnxruntime: greedy answers, and how likely given answers are.

`weights` of both models may be replaced, so that merges are scored on the very graphs that are shipped. Nothing here
knows a task: prompts in, texts or numbers out.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

KINDS = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


class Graph:
    """One file whose stored weights became inputs."""

    def __init__(self, file: Path, threads: int):
        model = onnx.load(file)
        graph = model.graph
        halves = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
        self.input_of = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "Cast" and n.input[0] in halves}
        self.weights = {name: numpy_helper.to_array(halves[name]).astype(np.float32) for name in self.input_of}
        kept = [n for n in graph.node if not (n.op_type == "Cast" and n.input[0] in self.input_of)]
        constants = [t for t in graph.initializer if t.name not in self.input_of]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(kept)
        graph.initializer.extend(constants)
        for name, weight in self.weights.items():
            graph.input.append(helper.make_tensor_value_info(self.input_of[name], TensorProto.FLOAT, weight.shape))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: i for i in self.session.get_inputs() if i.name not in self.input_of.values()}
        self.outputs = [o.name for o in self.session.get_outputs()]

    def run(self, feeds: dict, weights: dict | None = None) -> dict:
        for name, weight in self.weights.items():
            feeds[self.input_of[name]] = weight if weights is None else weights[name]
        return dict(zip(self.outputs, self.session.run(None, feeds)))

    def no_past(self, batch: int, taken: set[str]) -> dict:
        """Empty caches: [batch, heads, 0, width a head]."""
        out = {}
        for name, value in self.inputs.items():
            if name not in taken:
                heads, width = value.shape[1], value.shape[3]
                out[name] = np.zeros((batch, heads, 0, width), KINDS[value.type])
        return out


def log_softmax(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    z -= z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def on_the_right(rows: list[list[int]], filler: int) -> np.ndarray:
    longest = max(map(len, rows))
    return np.array([row + [filler] * (longest - len(row)) for row in rows], np.int64)


def on_the_left(rows: list[list[int]], filler: int) -> np.ndarray:
    longest = max(map(len, rows))
    return np.array([[filler] * (longest - len(row)) + row for row in rows], np.int64)


class TextModel:
    """What both kinds share: the folder, the tokenizer, batches."""

    def __init__(self, folder: Path, threads: int = 1):
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.pad, self.eos = self.config["pad_token_id"], self.config["eos_token_id"]
        self.known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text).ids
        return self.known[text]

    def texts(self, steps: list[np.ndarray]) -> list[str]:
        """Steps [batch] of tokens → texts up to the end token."""
        rows = np.stack(steps, 1).tolist()
        ended = [row[: row.index(self.eos)] if self.eos in row else row for row in rows]
        return self.tokenizer.decode_batch(ended, skip_special_tokens=True)


class EncoderDecoder(TextModel):
    def __init__(self, folder: Path, threads: int = 1):
        super().__init__(folder, threads)
        self.encoder = Graph(folder / "onnx/encoder_model.onnx", threads)
        self.decoder = Graph(folder / "onnx/decoder_model_merged.onnx", threads)
        self.weights = {**self.decoder.weights, **self.encoder.weights}

    def encoded(self, prompts: list[str], weights) -> tuple[np.ndarray, np.ndarray]:
        x = on_the_right([self.ids(p) for p in prompts], self.pad)
        mask = (x != self.pad).astype(np.int64)
        return self.encoder.run(dict(input_ids=x, attention_mask=mask), weights)["last_hidden_state"], mask

    def decoded(self, tokens: np.ndarray, hidden, mask, past: dict | None, weights) -> dict:
        feeds = dict(input_ids=tokens, encoder_hidden_states=hidden, encoder_attention_mask=mask)
        feeds["use_cache_branch"] = np.array([past is not None])
        return self.decoder.run(feeds | (past or self.decoder.no_past(len(tokens), set(feeds))), weights)

    def answers(self, prompts: list[str], longest: int, weights=None) -> list[str]:
        hidden, mask = self.encoded(prompts, weights)
        tokens = np.full((len(prompts), 1), self.config["decoder_start_token_id"], np.int64)
        past, steps, ended = None, [], np.zeros(len(prompts), bool)
        while len(steps) < longest and not ended.all():
            out = self.decoded(tokens, hidden, mask, past, weights)
            tokens = out["logits"][:, -1].argmax(-1)[:, None]
            steps.append(tokens[:, 0])
            ended |= tokens[:, 0] == self.eos
            new = {n.replace("present", "past_key_values"): v for n, v in out.items() if n.startswith("present")}
            # With a cache the encoder's keys and values come back empty: those of the first step stay.
            past = new if past is None else {n: past[n] if ".encoder." in n else v for n, v in new.items()}
        return self.texts(steps)

    def likelihoods(self, prompts: list[str], answers: list[str], weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log-probabilities of each answer, its end token included, and how many tokens that is."""
        hidden, mask = self.encoded(prompts, weights)
        target = on_the_right([self.ids(a) for a in answers], -1)
        shifted = np.where(target < 0, self.pad, target)
        start = np.full((len(target), 1), self.config["decoder_start_token_id"], np.int64)
        logits = self.decoded(np.concatenate([start, shifted[:, :-1]], 1), hidden, mask, None, weights)["logits"]
        each = np.take_along_axis(log_softmax(logits), shifted[..., None], -1)[..., 0] * (target >= 0)
        return each.sum(1), (target >= 0).sum(1)


class DecoderOnly(TextModel):
    def __init__(self, folder: Path, threads: int = 1):
        super().__init__(folder, threads)
        self.graph = Graph(folder / "onnx/model.onnx", threads)
        self.weights = self.graph.weights

    def logits(self, tokens: np.ndarray, mask: np.ndarray, past: dict | None, weights) -> dict:
        feeds = dict(input_ids=tokens, attention_mask=mask)
        if "position_ids" in self.graph.inputs:
            feeds["position_ids"] = np.maximum(mask.cumsum(1) - 1, 0)[:, -tokens.shape[1] :]
        return self.graph.run(feeds | (past or self.graph.no_past(len(tokens), set(feeds))), weights)

    def answers(self, prompts: list[str], longest: int, weights=None) -> list[str]:
        tokens = on_the_left([self.ids(p) for p in prompts], self.pad)
        mask = (tokens != self.pad).astype(np.int64)
        past, steps, ended = None, [], np.zeros(len(prompts), bool)
        while len(steps) < longest and not ended.all():
            out = self.logits(tokens, mask, past, weights)
            tokens = out["logits"][:, -1].argmax(-1)[:, None]
            steps.append(tokens[:, 0])
            ended |= tokens[:, 0] == self.eos
            past = {n.replace("present", "past_key_values"): v for n, v in out.items() if n.startswith("present")}
            mask = np.concatenate([mask, np.ones((len(mask), 1), np.int64)], 1)
        return self.texts(steps)

    def likelihoods(self, prompts: list[str], answers: list[str], weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log-probabilities of each answer behind its prompt, and how many tokens that is."""
        asked = [len(self.ids(p)) for p in prompts]
        rows = [self.ids(p + a) for p, a in zip(prompts, answers)]
        tokens = on_the_right(rows, self.pad)
        mask = (tokens != self.pad).astype(np.int64)
        logs = log_softmax(self.logits(tokens, mask, None, weights)["logits"][:, :-1])
        each = np.take_along_axis(logs, tokens[:, 1:, None], -1)[..., 0]
        place = np.arange(1, tokens.shape[1])
        said = (place >= np.array(asked)[:, None]) & (mask[:, 1:] > 0)
        return (each * said).sum(1), said.sum(1)


def load(folder: Path, threads: int = 1) -> EncoderDecoder | DecoderOnly:
    kind = EncoderDecoder if (folder / "onnx/encoder_model.onnx").exists() else DecoderOnly
    return kind(folder, threads)
