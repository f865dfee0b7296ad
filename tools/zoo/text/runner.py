"""Exported text models in onnxruntime: greedy answers, and how likely given answers are.

`weights` may be replaced where they are stored as halves, so that merges are scored on the very graphs that are shipped.
Nothing here knows a task: prompts in, texts or numbers out.
"""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from session import Graph, on_the_left, on_the_right, summed


class TextModel:
    """What all kinds share: the folder, the tokenizer."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        ends = self.config.get("eos_token_id")
        self.ends = np.array(ends if isinstance(ends, list) else [] if ends is None else [ends], np.int64)
        pad = self.config.get("pad_token_id")
        self.pad = pad if pad is not None else int(self.ends[0]) if len(self.ends) else 0
        self.known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text).ids
        return self.known[text]

    def texts(self, steps: list[np.ndarray]) -> list[str]:
        """Steps [batch] of tokens → texts up to the end token."""
        rows = np.stack(steps, 1)
        ended = [row[: int(end.argmax())] if end.any() else row for row, end in zip(rows, np.isin(rows, self.ends))]
        return self.tokenizer.decode_batch([row.tolist() for row in ended], skip_special_tokens=True)


class EncoderDecoder(TextModel):
    def __init__(self, folder: Path, threads: int = 1):
        super().__init__(folder)
        self.encoder = Graph(folder / "onnx/encoder_model.onnx", threads)
        self.decoder = Graph(folder / "onnx/decoder_model_merged.onnx", threads)
        self.weights = {**self.decoder.weights, **self.encoder.weights}

    def encoded(self, prompts: list[str], weights) -> tuple[np.ndarray, np.ndarray]:
        tokens, mask = on_the_right([self.ids(p) for p in prompts], self.pad)
        return self.encoder.run(dict(input_ids=tokens, attention_mask=mask), weights)["last_hidden_state"], mask

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
            ended |= np.isin(tokens[:, 0], self.ends)
            new = {n.replace("present", "past_key_values"): v for n, v in out.items() if n.startswith("present")}
            # With a cache the encoder's keys and values come back empty: those of the first step stay.
            past = new if past is None else {n: past[n] if ".encoder." in n else v for n, v in new.items()}
        return self.texts(steps)

    def likelihoods(self, prompts: list[str], answers: list[str], weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log-probabilities of each answer, its end token included, and how many tokens that is."""
        hidden, mask = self.encoded(prompts, weights)
        target, said = on_the_right([self.ids(a) for a in answers], self.pad)
        start = np.full((len(target), 1), self.config["decoder_start_token_id"], np.int64)
        logits = self.decoded(np.concatenate([start, target[:, :-1]], 1), hidden, mask, None, weights)["logits"]
        return summed(logits, target, said > 0), said.sum(1)


class DecoderOnly(TextModel):
    def __init__(self, folder: Path, threads: int = 1):
        super().__init__(folder)
        self.graph = Graph(folder / "onnx/model.onnx", threads)
        self.weights = self.graph.weights

    def logits(self, tokens: np.ndarray, mask: np.ndarray, past: dict | None, weights) -> dict:
        positions = np.maximum(mask.cumsum(1) - 1, 0)[:, -tokens.shape[1] :]
        feeds = dict(input_ids=tokens, attention_mask=mask, position_ids=positions)
        return self.graph.run(feeds | (past or self.graph.no_past(len(tokens), set(feeds))), weights)

    def answers(self, prompts: list[str], longest: int, weights=None) -> list[str]:
        tokens, mask = on_the_left([self.ids(p) for p in prompts], self.pad)
        past, steps, ended = None, [], np.zeros(len(prompts), bool)
        while len(steps) < longest and not ended.all():
            out = self.logits(tokens, mask, past, weights)
            tokens = out["logits"][:, -1].argmax(-1)[:, None]
            steps.append(tokens[:, 0])
            ended |= np.isin(tokens[:, 0], self.ends)
            past = {n.replace("present", "past_key_values"): v for n, v in out.items() if n.startswith("present")}
            mask = np.concatenate([mask, np.ones((len(mask), 1), np.int64)], 1)
        return self.texts(steps)

    def likelihoods(self, prompts: list[str], answers: list[str], weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Sum of log-probabilities of each answer behind its prompt, and how many tokens that is. A prompt is read once."""
        places = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        at = [places[prompt] for prompt in prompts]
        asked, mask = on_the_left([self.ids(p) for p in places], self.pad)
        read = self.logits(asked, mask, None, weights)
        tokens, said = on_the_right([self.ids(p + a)[len(self.ids(p)) :] for p, a in zip(prompts, answers)], self.pad)
        logits = read["logits"][at, -1:]
        if tokens.shape[1] > 1:
            past = {n.replace("present", "past_key_values"): v[at] for n, v in read.items() if n.startswith("present")}
            behind = self.logits(tokens[:, :-1], np.concatenate([mask[at], said[:, :-1]], 1), past, weights)
            logits = np.concatenate([logits, behind["logits"]], 1)
        return summed(logits, tokens, said > 0), said.sum(1)


class Classifier(TextModel):
    """Text in, one number a label out; what is longer than the tokenizer's length is cut."""

    def __init__(self, folder: Path, threads: int = 1):
        super().__init__(folder)
        about = json.loads((folder / "tokenizer_config.json").read_text())
        longest = about.get("model_max_length", 512)
        self.tokenizer.enable_truncation(min(int(longest), self.config.get("max_position_embeddings", 512)))
        self.graph = Graph(folder / "onnx/model.onnx", threads)
        self.weights = self.graph.weights

    def label_logits(self, texts: list[str], weights=None) -> np.ndarray:
        """[texts, labels]"""
        read = [self.tokenizer.encode(text) for text in texts]
        tokens, mask = on_the_right([r.ids for r in read], self.pad)
        kinds, _ = on_the_right([r.type_ids for r in read], 0)
        return self.graph.run(dict(input_ids=tokens, attention_mask=mask, token_type_ids=kinds), weights)["logits"]


def load(folder: Path, threads: int = 1) -> EncoderDecoder | DecoderOnly | Classifier:
    if (folder / "onnx/encoder_model.onnx").exists():
        return EncoderDecoder(folder, threads)
    architectures = json.loads((folder / "config.json").read_text()).get("architectures") or [""]
    return (Classifier if "SequenceClassification" in architectures[0] else DecoderOnly)(folder, threads)
