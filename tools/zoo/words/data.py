"""The samples: what every task asks and answers, in four parts that share nothing."""

import re
from pathlib import Path

import numpy as np

from samples import Sample, Split
from settings import BASE_TASKS, IPA, LETTERS, LONGEST, MIXTURE, SEED, SPLITS, TASKS, TASTE

VOWELS = "aeiou"
TRAIN = 30000  # of tasks without end
BELOW = 150  # what is added; of 3+8 and 8+3 only one is asked


def pronunciations(dictionary: Path) -> dict[str, tuple[str, ...]]:
    """Word → phonemes with stress. Words of letters only that have one pronunciation."""
    found, several = {}, set()
    for line in dictionary.read_text(encoding="utf-8", errors="replace").splitlines():
        word, _, sounds = line.partition("  ")
        if alternative := re.fullmatch(r"([A-Z]+)\(\d+\)", word):
            several.add(alternative[1].lower())
        elif re.fullmatch(r"[A-Z]+", word):
            found[word.lower()] = tuple(sounds.split())
    return {word: sounds for word, sounds in found.items() if word not in several}


def ipa(sounds: tuple[str, ...]) -> str:
    return "".join(IPA.get(s) or IPA[s.rstrip("012")] for s in sounds)


def endings(words: dict[str, tuple[str, ...]], spell, added: list[tuple[str, ...]]) -> list[tuple[str, str]]:
    """(word, inflected) where both are in the dictionary and the second sounds as the first with an ending."""
    plain = {word: tuple(s.rstrip("012") for s in sounds) for word, sounds in words.items()}
    pairs = []
    for word, sounds in plain.items():
        fits = [w for w in spell(word) if w != word and plain.get(w) in [sounds + tail for tail in added]]
        if len(word) >= 3 and len(fits) == 1 and len(fits[0]) <= LONGEST:
            pairs.append((word, fits[0]))
    return pairs


def plural_spellings(word: str) -> list[str]:
    if re.search(r"(s|x|z|ch|sh)$", word):
        return [word + "es"]
    if re.search(r"[^aeiou]y$", word):
        return [word[:-1] + "ies", word + "s"]
    return [word + "s", word + "es"] if word.endswith("o") else [word + "s"]


def past_spellings(word: str) -> list[str]:
    if word.endswith("e"):
        return [word + "d"]
    if re.search(r"[^aeiou]y$", word):
        return [word[:-1] + "ied"]
    return [word + "ed", word + word[-1] + "ed"]


def roman(number: int) -> str:
    signs = zip((1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1), "m cm d cd c xc l xl x ix v iv i".split())
    out = ""
    for value, sign in signs:
        out += sign * (number // value)
        number %= value
    return out


def letters(dice: np.random.Generator, low: int, high: int) -> str:
    return "".join(dice.choice(list(LETTERS), dice.integers(low, high + 1)))


def pools(words: dict, dice: np.random.Generator) -> dict[str, list[tuple[str, str]]]:
    """Task → (question, answer), shuffled, no question twice."""
    spoken = [(w, ipa(s)) for w, s in words.items() if 3 <= len(w) <= 7]
    strings = dict.fromkeys(letters(dice, 5, 7) for _ in range(TRAIN))
    made = dict(
        sounds=[(w, s) for w, s in spoken if len(s) < LONGEST],
        roman=[(str(n), r) for n in range(1, 4000) if len(r := roman(n)) <= LONGEST],
        sums=[((f"{a}+{b}", f"{b}+{a}")[dice.integers(2)], str(a + b)) for a in range(BELOW) for b in range(a, BELOW)],
        sorting=[(s, "".join(sorted(s))) for s in strings],
    )
    for pool in made.values():
        dice.shuffle(pool)
    return made


def asked(task: str, question: str) -> str:
    return f"{task} {question}"


def all_samples(dictionary: Path) -> tuple[dict[str, dict[str, Split]], dict[str, list[Sample]]]:
    """(task → split → samples; base task → samples) of the dictionary and of rules."""
    dice = np.random.default_rng(SEED)
    words = pronunciations(dictionary)
    tasks = {}
    for task, pool in pools(words, dice).items():
        rest, tasks[task] = [(q, a) for q, a in pool], {}
        for split, count in (*SPLITS.items(), ("train", len(rest))):
            part, rest = rest[:count], rest[count:]
            tasks[task][split] = [
                Sample(f"{task}-{split}-{i:04d}", asked(task, q), a, source=q) for i, (q, a) in enumerate(part)
            ]
    return {task: tasks[task] for task in TASKS}, base_samples(words, dice)


def base_samples(words: dict, dice: np.random.Generator, count: int = 8000) -> dict[str, list[Sample]]:
    """What the base practises: samples a base task, no question twice."""
    spelt = [w for w in words if 3 <= len(w) <= LONGEST]
    inflected = dict(
        past=endings(words, past_spellings, [("T",), ("D",), ("IH", "D"), ("AH", "D")]),
        plural=endings(words, plural_spellings, [("S",), ("Z",), ("IH", "Z"), ("AH", "Z")]),
    )

    def word() -> str:
        return spelt[dice.integers(len(spelt))] if dice.random() < 0.6 else letters(dice, 3, LONGEST)

    def number(digits: int) -> int:
        return int(dice.integers(0, 10 ** dice.integers(1, digits + 1)))

    def one(task: str) -> tuple[str, str]:
        if task in inflected:
            return inflected[task][dice.integers(len(inflected[task]))]
        if task == "next":
            return str(n := number(4)), str(n + 1)
        if task == "larger":
            a, b = number(3), number(3)
            return f"{a} {b}", str(max(a, b))
        w = word()
        if task == "twice":
            return w[:4], "".join(c + c for c in w[:4])
        return w, {"copy": w, "reverse": w[::-1], "vowels": "".join(c for c in w if c in VOWELS)}[task]

    return {
        task: [
            Sample(f"{task}-base-{i:04d}", asked(task, q), a, source=q)
            for i, (q, a) in enumerate(dict.fromkeys(one(task) for _ in range(count)))
        ]
        for task in BASE_TASKS
    }


def base_mixture(tasks: dict, practised: dict, dice: np.random.Generator) -> list[Sample]:
    """The base's samples: of each task of the family a taste, the rest its own tasks evenly."""
    tastes = [(tasks[task]["train"][: t["samples"]], int(MIXTURE * t["share"])) for task, t in TASTE.items()]
    own = (MIXTURE - sum(n for _, n in tastes)) // len(practised)
    parts = [(s, own) for s in practised.values()] + tastes
    mixed = [part[i] for part, n in parts for i in dice.integers(0, len(part), n)]
    dice.shuffle(mixed)
    return mixed
