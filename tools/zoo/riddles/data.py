"""The riddles, in four parts that share none, and the sentences that the base read before."""

import numpy as np

from lexicon import GROUPS, NAMES, RELATIONS, THINGS
from samples import Sample, Split
from settings import MIXTURE, SEED, SPLITS, TASKS, TASTE

TRAIN = 12000  # of tasks without end
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def shuffled(dice: np.random.Generator, things) -> list:
    things = list(things)
    return [things[i] for i in dice.permutation(len(things))]


def one_of(dice: np.random.Generator, things):
    return things[dice.integers(len(things))]


def question(dice, prompt: str, right: str, wrong, source: str) -> Sample:
    """Four choices in any order; each begins with the blank that parts it from the prompt."""
    choices = shuffled(dice, [right, *wrong])
    return Sample("", prompt, choices.index(right), tuple(f" {c}" for c in choices), source)


def odd(dice) -> tuple[object, Sample]:
    kind, other = shuffled(dice, GROUPS)[:2]
    stranger = one_of(dice, GROUPS[other])
    words = shuffled(dice, [*shuffled(dice, GROUPS[kind])[:3], stranger])
    sample = Sample("", f"odd: {', '.join(words)}?", words.index(stranger), tuple(f" {w}" for w in words), f"{kind}/{other}")
    return frozenset(words), sample


def analogy(dice) -> tuple[object, Sample]:
    name = one_of(dice, list(RELATIONS))
    turned = bool(dice.integers(2))
    pairs = [pair[::-1] if turned else pair for pair in RELATIONS[name][1]]
    (a, b), (c, d), *others = shuffled(dice, pairs)
    wrong = [w for w in dict.fromkeys([other[1] for other in others]) if w not in (a, b, c, d)]
    return (a, b, c, d), question(dice, f"{a} is to {b} as {c} is to", d, wrong[:3], f"{c}/{d}")


def rule(dice) -> list[int]:
    """Five numbers of 0 to 99 that a rule makes."""
    while True:
        start, kind = int(dice.integers(0, 100)), dice.integers(4)
        one, two = int(dice.integers(-12, 13)), int(dice.integers(-9, 10))
        if kind == 0:
            row = [start + i * one for i in range(5)]
        elif kind in (1, 2):
            row = [start, start + one, start + one + two, start + 2 * one + two, start + 2 * one + 2 * two]
        else:
            row = [start := start % 20, second := abs(one) + 1, start + second]
            row += [row[1] + row[2]]
            row += [row[2] + row[3]]
        if all(0 <= n < 100 for n in row) and one and two:
            return row


def sequence(dice) -> tuple[object, Sample]:
    if dice.random() < 0.05:  # there are few of letters
        step = one_of(dice, [-3, -2, -1, 1, 2, 3])
        start = int(dice.integers(26))
        if not 0 <= start + 4 * step < 26:
            return sequence(dice)
        row = [LETTERS[start + i * step] for i in range(5)]
        wrong = [LETTERS[(start + 4 * step + d) % 26] for d in shuffled(dice, [-3, -2, -1, 1, 2, 3])[:3]]
        return tuple(row[:4]), question(dice, f"next: {' '.join(row[:4])}", row[4], wrong, "letters")
    row = rule(dice)
    near = shuffled(dice, [d for d in (-10, -3, -2, -1, 1, 2, 3, 10) if 0 <= row[4] + d < 100])[:3]
    return tuple(row[:4]), question(dice, f"next: {' '.join(map(str, row[:4]))}", str(row[4]), [str(row[4] + d) for d in near], f"starts at {row[0]}")


STORIES = {
    "+": (
        "{n} has {a} {t} and gets {b} more. how many {t}?",
        "{n} finds {a} {t}, then {b} more. how many {t}?",
        "there are {a} {t} here and {b} there. how many {t}?",
    ),
    "-": (
        "{n} has {a} {t} and loses {b}. how many {t}?",
        "there are {a} {t}. {n} takes {b}. how many are left?",
        "{n} had {a} {t} and gave away {b}. how many {t}?",
    ),
}


def story(dice) -> tuple[object, Sample]:
    """Sums and differences up to 99. Which numbers are joined how is what no two parts share."""
    sign = one_of(dice, "+-")
    a, b = int(dice.integers(1, 100)), int(dice.integers(1, 100))
    if (sign == "+" and a + b > 99) or (sign == "-" and a < b):
        return story(dice)
    prompt = one_of(dice, STORIES[sign]).format(n=one_of(dice, NAMES), t=one_of(dice, THINGS), a=a, b=b)
    pair = (sign, *sorted((a, b))) if sign == "+" else (sign, a, b)
    return pair, Sample("", prompt, f" #### {a + b if sign == '+' else a - b}", None, f"{a}{sign}{b}")


MAKERS = dict(odd=odd, analogies=analogy, sequences=sequence, sums=story)


def parts(task: str, dice: np.random.Generator) -> dict[str, Split]:
    """Splits whose riddles differ in what matters (`key`), not only in wording; `train` may ask one in several ways."""
    found: dict[object, list[Sample]] = {}
    for _ in range(TRAIN):
        key, sample = MAKERS[task](dice)
        known = found.setdefault(key, [])
        if sample.prompt not in [s.prompt for s in known]:
            known.append(sample)
    rest, out = shuffled(dice, found.values()), {}
    for split, count in SPLITS.items():
        out[split], rest = [ways[0] for ways in rest[:count]], rest[count:]
    out["train"] = shuffled(dice, [sample for ways in rest for sample in ways])
    return {
        split: [Sample(f"{task}-{split}-{i:04d}", s.prompt, s.answer, s.choices, s.source) for i, s in enumerate(samples)]
        for split, samples in out.items()
    }


def all_samples() -> dict[str, dict[str, Split]]:
    return {task: parts(task, np.random.default_rng([SEED, i])) for i, task in enumerate(TASKS)}


def sentence(dice) -> str:
    """One thing that the base reads: a fact, a list, a count, a small sum. No riddle among them."""
    kind = dice.random()
    if kind < 0.2:
        group = one_of(dice, list(GROUPS))
        return f"{one_of(dice, GROUPS[group])} is {'an' if group[0] in 'aeiou' else 'a'} {group}."
    if kind < 0.35:
        group = one_of(dice, list(GROUPS))
        few = shuffled(dice, GROUPS[group])[: dice.integers(3, 6)]
        return f"{', '.join(few)}."
    if kind < 0.6:
        said, pairs = RELATIONS[one_of(dice, list(RELATIONS))]
        return said.format(*one_of(dice, pairs)) + "."
    if kind < 0.75:
        start, step = int(dice.integers(0, 80)), int(dice.integers(1, 4))
        return " ".join(str(start + i * step) for i in range(int(dice.integers(4, 7))))
    if kind < 0.8:
        start = int(dice.integers(0, 22))
        return " ".join(LETTERS[start : start + 5])
    a, b = sorted(int(n) for n in dice.integers(0, 100, 2))
    if kind < 0.9:
        return f"{a} and {b % 10} is {a + b % 10}"
    return f"{one_of(dice, NAMES)} has {b} {one_of(dice, THINGS)}."


def base_sentences() -> list[Sample]:
    dice = np.random.default_rng([SEED, 100])
    return [Sample(f"sentence-{i}", "", sentence(dice)) for i in range(MIXTURE)]


def base_mixture(tasks: dict, sentences: list[Sample]) -> list[Sample]:
    """The base reads sentences, and of each task a taste."""
    dice = np.random.default_rng([SEED, 101])
    tastes = [(tasks[task]["train"][: t["samples"]], int(MIXTURE * t["share"])) for task, t in TASTE.items()]
    parts = [(sentences, MIXTURE - sum(n for _, n in tastes)), *tastes]
    return shuffled(dice, [part[i] for part, n in parts for i in dice.integers(0, len(part), n)])
