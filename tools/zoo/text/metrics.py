"""A model's score on samples: exact match, multiple choice, labels, and what a search may look at instead."""

import math
from dataclasses import dataclass, field

import numpy as np

from runner import Classifier
from samples import Split
from session import log_softmax


@dataclass
class Scored:
    correct: list[bool] = field(default_factory=list)
    predictions: list = field(default_factory=list)  # the text that was generated, or which choice or label was likeliest
    choice_likelihoods: list[list[float]] = field(default_factory=list)  # of choices or labels; empty for text

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.correct))


def extracted(text: str, marker: str | None) -> str:
    """What stands behind the last marker, or the whole text, trimmed."""
    return (text.rsplit(marker, 1)[-1] if marker else text).strip()


def is_text(model, samples: Split) -> bool:
    return not (isinstance(model, Classifier) or samples[0].choices)


def rows_of(model, samples: Split, weights) -> np.ndarray:
    """[samples, labels or choices]: log-likelihood of each."""
    if isinstance(model, Classifier):
        return log_softmax(model.label_logits([s.prompt for s in samples], weights))
    prompts, choices = [s.prompt for s in samples for _ in s.choices], [c for s in samples for c in s.choices]
    return model.likelihoods(prompts, choices, weights)[0].reshape(len(samples), -1)


def batches(samples: Split, batch: int):
    return (samples[i : i + batch] for i in range(0, len(samples), batch))


def score(model, samples: Split, batch: int, longest: int, marker: str | None = None, weights=None) -> Scored:
    """Batches of `batch` samples; a sample of multiple choice is as many rows as it has choices."""
    out = Scored()
    for part in batches(samples, batch):
        if is_text(model, part):
            texts = model.answers([s.prompt for s in part], longest, weights)
            out.predictions += texts
            out.correct += [extracted(t, marker) == extracted(s.answer, marker) for t, s in zip(texts, part)]
        else:
            rows = rows_of(model, part, weights)
            out.predictions += rows.argmax(1).tolist()
            out.choice_likelihoods += rows.tolist()
            out.correct += [int(row.argmax()) == s.answer for row, s in zip(rows, part)]
    return out


def fitness(model, samples: Split, batch: int, weights=None) -> float:
    """1 − nats / nats of a uniform guess: of the right choice or label among all, or of a token of the answer."""
    nats, guess = 0.0, 0.0
    for part in batches(samples, batch):
        if is_text(model, part):
            sums, tokens = model.likelihoods([s.prompt for s in part], [s.text for s in part], weights)
            nats -= float(sums.sum())
            guess += float(tokens.sum()) * math.log(model.config["vocab_size"])
        else:
            rows = log_softmax(rows_of(model, part, weights))
            nats -= float(sum(row[s.answer] for row, s in zip(rows, part)))
            guess += len(part) * math.log(rows.shape[1])
    return 1 - nats / guess
