"""Samples lie in sheets: greyscale PNG, tiles row by row, so any program can read them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from data import Samples
from settings import MEASURED_SPLITS, SHEET_COLUMNS, SIZE


def write(folder: Path, task: str, labels: list[str], splits: dict[str, Samples]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for split in MEASURED_SPLITS:
        s = splits[split]
        rows = -(-len(s.label) // SHEET_COLUMNS)
        tiles = np.zeros((rows * SHEET_COLUMNS, SIZE, SIZE), np.uint8)
        tiles[: len(s.label)] = s.pixels
        sheet = tiles.reshape(rows, SHEET_COLUMNS, SIZE, SIZE).swapaxes(1, 2).reshape(rows * SIZE, -1)
        Image.fromarray(sheet).save(folder / f"{split}.png", optimize=True)
        described[split] = dict(
            sheet=f"{split}.png", count=len(s.label),
            label=s.label.tolist(), id=list(s.id), cluster=list(s.cluster),
        )
    content = dict(
        samples=1, task=task, width=SIZE, height=SIZE, channels=1,
        columns=SHEET_COLUMNS, labels=labels, splits=described,
    )
    (folder / "samples.json").write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def read(folder: Path, split: str) -> Samples:
    content = json.loads((folder / "samples.json").read_text())
    s, side, columns = content["splits"][split], content["width"], content["columns"]
    with Image.open(folder / s["sheet"]) as image:
        sheet = np.asarray(image)
    tiles = sheet.reshape(-1, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
    return Samples(tiles[: s["count"]], np.array(s["label"]), s["id"], s["cluster"])
