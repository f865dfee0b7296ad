"""Pretraining, heads, experts. A head is fitted to the base and never moves again."""

import numpy as np
import torch
from torch.nn import functional as F
from transformers import ViTConfig, ViTForImageClassification

from data import Samples
from settings import MODEL, SEED


def model(labels: list[str]) -> ViTForImageClassification:
    names = dict(enumerate(labels))
    return ViTForImageClassification(ViTConfig(**MODEL, id2label=names, label2id={v: k for k, v in names.items()}))


def pixel_values(pixels: np.ndarray) -> torch.Tensor:
    """uint8 → [n, 1, 28, 28] in −1…1, as preprocessor_config.json says."""
    return (torch.from_numpy(pixels.astype(np.float32))[:, None] / 255 - 0.5) / 0.5


def store_as_half(network: torch.nn.Module) -> None:
    """Weights take the values that the file will hold, so that what is trained upon is what is stored."""
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half().float())


def batches(count: int, size: int, seed: int):
    dice = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(count, generator=dice)
        yield from order[: count - count % size].split(size)


class Rehearsal:
    """Pretraining pictures with the base's features: an expert is asked to see them as the base did.

    Without it experts of so small a body overwrite one another, and no merge of them is worth having.
    """

    def __init__(self, base, samples: Samples, count: int, weight: float):
        some = np.random.default_rng(SEED).permutation(len(samples.label))[:count]
        self.features = features(base, samples.pixels[some])
        self.x = pixel_values(samples.pixels[some])
        self.scale = weight / self.features.var(0).mean()

    def loss(self, network, pick) -> torch.Tensor:
        return self.scale * (feature(network, self.x[pick]) - self.features[pick]).square().mean()


def train(
    network, sets: list[tuple], steps: int, rate: float, seed: int, size: int = 96, rehearsal: Rehearsal | None = None
) -> None:
    """`sets` are (samples, head or None): with a head, the network's own classifier is replaced by it, frozen.

    One set a step, in turn: an expert has one set, the multitask reference all of them.
    """
    torch.manual_seed(seed)
    moving = [p for n, p in network.named_parameters() if sets[0][1] is None or not n.startswith("classifier")]
    adam = torch.optim.AdamW(moving, lr=rate, weight_decay=0.01)
    warm = max(1, steps // 20)
    plan = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda s: min(1, (s + 1) / warm) * 0.5 * (1 + np.cos(np.pi * s / steps))
    )
    loaded = [
        (pixel_values(s.pixels), torch.from_numpy(s.label), head, batches(len(s.label), size, seed + i))
        for i, (s, head) in enumerate(sets)
    ]
    again = batches(len(rehearsal.x), size // 3, seed) if rehearsal else None
    network.train()
    for step in range(steps):
        x, y, head, order = loaded[step % len(loaded)]
        pick = next(order)
        if head is None:
            logits = network(x[pick]).logits
        else:
            logits = F.linear(feature(network, x[pick]), *head)
        loss = F.cross_entropy(logits, y[pick])
        if rehearsal:
            loss = loss + rehearsal.loss(network, next(again))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        adam.step()
        plan.step()
    network.eval()


def feature(network, x: torch.Tensor) -> torch.Tensor:
    """What the heads read: the class token after the last norm, [n, width]."""
    return network.vit(x).last_hidden_state[:, 0]


@torch.no_grad()
def features(network, pixels: np.ndarray) -> torch.Tensor:
    parts = pixel_values(pixels).split(500)
    return torch.cat([feature(network, p) for p in parts])


def fit_head(network, samples: Samples, classes: int, shots: int, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logistic regression on the base's features of a few samples a class: convex, so no seed."""
    few = np.concatenate([np.flatnonzero(samples.label == c)[:shots] for c in range(classes)])
    x, y = features(network, samples.pixels[few]), torch.from_numpy(samples.label[few])
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        solver.zero_grad()
        value = F.cross_entropy(F.linear(x, weight, bias), y) + ridge * weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return weight.detach().half().float(), bias.detach().half().float()


def with_head(network, head, labels: list[str]) -> ViTForImageClassification:
    """A copy of a body that carries a task's head."""
    out = model(labels)
    out.vit.load_state_dict(network.vit.state_dict())
    with torch.no_grad():
        out.classifier.weight.copy_(head[0])
        out.classifier.bias.copy_(head[1])
    return out.eval()


def seed_of(name: str) -> int:
    return SEED + sum(name.encode())
