"""Which installed fonts hold a script, which of them are one design, and who may use which.

Only fonts of the packages in apt-packages.txt count, so another machine finds the same ones.
Fonts are gathered into *designs*: one family name, or glyphs that are nearly the same pixels
(many fonts take a script over from another font). A design lies in one split of all tasks.
"""

import random
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np

from render import plate
from settings import HERE, SEED

# Seen on a contact sheet: letters in boxes, outlines only, ornaments, one script's places filled with
# another's shapes, or a slanted hand that is unreadable at 28 pixels.
LEFT_OUT = {
    "BPG DedaEna Block GPL&GNU", "D050000L", "Ecolier_court", "Hidekel", "Lilach",
    "Linux Biolinum Keyboard O", "Standard Symbols PS", "Sticks", "UnPilgi", "Wargames", "femkeklaver",
}

STYLES = ("regular", "book", "roman", "medium", "bold", "italic", "oblique", "light")
FILES_A_FAMILY = 3
SAME_PIXELS = 0.95  # mean correlation of two fonts' plates above which they are one design …
SAME_NAME = 0.8  # … or above this when their names begin alike


def installed_files() -> set[str]:
    packages = (HERE / "apt-packages.txt").read_text().split()
    listed = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True).stdout
    return {str(Path(f).resolve()) for f in listed.splitlines() if re.search(r"\.(ttf|otf|ttc)$", f, re.I)}


def style_rank(style: str) -> int:
    words = style.lower()
    return next((i for i, s in enumerate(STYLES) if words == s), len(STYLES) + len(words))


def faces(script: str, files: set[str]) -> dict[str, list[tuple[str, int]]]:
    """Families that hold every character of a script, each with a few (file, index) faces."""
    charset = " ".join(f"{ord(c):x}" for c in script)
    found = subprocess.run(
        ["fc-list", f":charset={charset}", "--format", "%{family[0]}\t%{style[0]}\t%{index}\t%{file}\n"],
        capture_output=True, text=True, check=True,
    ).stdout
    families = defaultdict(list)
    for line in sorted(set(found.splitlines())):
        if line.count("\t") != 3:
            continue  # a face without a name
        family, style, index, file = line.split("\t")
        if str(Path(file).resolve()) in files and int(index) < 1 << 16 and family not in LEFT_OUT:
            families[family].append((style_rank(style), style, file, int(index)))
    return {
        family: [(file, index) for _, _, file, index in sorted(found)[:FILES_A_FAMILY]]
        for family, found in sorted(families.items())
    }


def drawable(face: tuple[str, int], script: str) -> bool:
    """Ink in every glyph, and no two glyphs alike (a placeholder box would be)."""
    plates = [plate(*face, c) for c in script]
    return all(p is not None for p in plates) and len({p.tobytes() for p in plates}) == len(script)


def designs(families: dict[str, list], script: str) -> dict[str, str]:
    """Family → the name of its design, by the first face of each."""
    names = list(families)
    rows = []
    for name in names:
        pixels = np.stack([plate(*families[name][0], c) for c in script]).astype(np.float32)
        pixels = pixels.reshape(len(script), -1)
        pixels -= pixels.mean(1, keepdims=True)
        rows.append((pixels / np.linalg.norm(pixels, axis=1, keepdims=True)).reshape(-1))
    alike = np.stack(rows) @ np.stack(rows).T / len(script)
    design = {name: name for name in names}
    for i, a in enumerate(names):
        for j in range(i):
            limit = SAME_NAME if a.split()[0][:5] == names[j].split()[0][:5] else SAME_PIXELS
            if alike[i, j] > limit and design[a] != design[names[j]]:
                old, new = design[a], design[names[j]]
                design = {n: new if d == old else d for n, d in design.items()}
    return design


class FontBook:
    """Fonts by script and split. `of(script, split)` gives [(design, faces)]."""

    SHARES = dict(test=0.3, validate=0.12, optimise=0.12)

    def __init__(self, scripts: dict[str, str], base_scripts: dict[str, str]):
        files = installed_files()
        self.by_script: dict[str, dict[str, list]] = {}
        joined: dict[str, str] = {}  # family → design, over all scripts

        def find(name):
            while joined.get(name, name) != name:
                name = joined[name]
            return name

        for script, characters in {**scripts, **base_scripts}.items():
            found = faces(characters, files)
            found = {n: [f for f in fs if drawable(f, characters)] for n, fs in found.items()}
            found = {n: fs for n, fs in found.items() if fs}
            self.by_script[script] = found
            for family, design in designs(found, characters).items():
                a, b = find(family), find(design)
                joined[max(a, b)] = min(a, b)
        self.design = {f: find(f) for found in self.by_script.values() for f in found}
        self.split = self._assign(list(scripts))

    def _assign(self, scripts: list[str]) -> dict[str, str]:
        split: dict[str, str] = {}
        dice = random.Random(SEED)
        for script in scripts:
            here = sorted({self.design[f] for f in self.by_script[script]})
            free = [d for d in here if d not in split]
            dice.shuffle(free)
            for part, share in self.SHARES.items():
                want = max(2, round(share * len(here))) - sum(split.get(d) == part for d in here)
                for d in free[: max(0, want)]:
                    split[d] = part
                free = free[max(0, want):]
            split.update((d, "train") for d in free)
        return split

    def of(self, script: str, split: str) -> list[tuple[str, list]]:
        """A design nobody holds out is free for training."""
        out = defaultdict(list)
        for family, found in self.by_script[script].items():
            design = self.design[family]
            if self.split.get(design, "train") == split:
                out[design] += found
        return sorted(out.items())
