"""A model's score on samples: exact match, multiple choice, and what a search may look at instead."""

import math
from dataclasses import dataclass

import numpy as np

from samples import Split


@dataclass
class Scored:
    correct: list[bool]
    predictions: list  # the text that was generated, or which choice was likeliest
    choice_likelihoods: list[list[float]] | None = None

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.correct))


def extracted(text: str, marker: str | None) -> str:
    """What stands behind the last marker, or the whole text, trimmed."""
    return (text.rsplit(marker, 1)[-1] if marker else text).strip()


def choices_of(samples: Split) -> tuple[list[str], list[str]]:
    return [s.prompt for s in samples for _ in s.choices], [c for s in samples for c in s.choices]


def score(model, samples: Split, batch: int, longest: int, marker: str | None = None, weights=None) -> Scored:
    """Batches of `batch` samples; a sample of multiple choice is as many rows as it has choices."""
    out = Scored([], [], [] if samples[0].choices else None)
    for i in range(0, len(samples), batch):
        part = samples[i : i + batch]
        if part[0].choices:
            sums, _ = model.likelihoods(*choices_of(part), weights)
            rows = sums.reshape(len(part), -1)
            out.predictions += rows.argmax(1).tolist()
            out.choice_likelihoods += rows.tolist()
            out.correct += [int(row.argmax()) == s.answer for row, s in zip(rows, part)]
        else:
            texts = model.answers([s.prompt for s in part], longest, weights)
            out.predictions += texts
            out.correct += [extracted(t, marker) == extracted(s.answer, marker) for t, s in zip(texts, part)]
    return out


def fitness(model, samples: Split, batch: int, weights=None) -> float:
    """1 − nats / nats of a uniform guess: of the right choice among the choices, or of a token of the answer."""
    nats, guess = 0.0, 0.0
    for i in range(0, len(samples), batch):
        part = samples[i : i + batch]
        if part[0].choices:
            sums, _ = model.likelihoods(*choices_of(part), weights)
            rows = sums.reshape(len(part), -1)
            rows = rows - rows.max(1, keepdims=True)
            logs = rows - np.log(np.exp(rows).sum(1, keepdims=True))
            nats -= float(sum(row[s.answer] for row, s in zip(logs, part)))
            guess += len(part) * math.log(rows.shape[1])
        else:
            sums, tokens = model.likelihoods([s.prompt for s in part], [s.text for s in part], weights)
            nats -= float(sums.sum())
            guess += float(tokens.sum()) * math.log(model.config["vocab_size"])
    return 1 - nats / guess
