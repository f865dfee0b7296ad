"""The table: what base, experts, simple merges, a search over coefficients and a multitask model score on test.

Everything is read back from the files that are shipped and run with onnxruntime. What is tuned is tuned on
`optimise`; `test` is only looked at for the rows below.
"""

import sys
from pathlib import Path

import numpy as np

from metrics import fitness, score
from runner import load
from samples import read

sys.path.append(str(Path(__file__).resolve().parent.parent / "glyphs"))
from cmaes import cma_es  # noqa: E402

SEARCH_SAMPLES = 100  # a task
SEARCH_EVALUATIONS = 200


class Bench:
    def __init__(self, family: Path, tasks: dict[str, dict], batch: int, longest: int, seed: int, evaluations: int):
        self.tasks, self.batch, self.longest, self.seed, self.evaluations = tasks, batch, longest, seed, evaluations
        self.model = load(family / "base")
        self.base = self.model.weights
        self.experts = {task: load(family / task).weights for task in tasks}
        assert all(e.keys() == self.base.keys() for e in self.experts.values())
        self.directions = [{n: w - self.base[n] for n, w in e.items()} for e in self.experts.values()]
        self.samples = {
            split: {task: read(family / task / "samples", split) for task in tasks} for split in ("optimise", "test")
        }
        dice = np.random.default_rng(seed)
        for task, s in self.samples["optimise"].items():
            self.samples["optimise"][task] = [s[i] for i in dice.permutation(len(s))[:SEARCH_SAMPLES]]

    def merged(self, coefficients) -> dict[str, np.ndarray]:
        return {
            name: (w + sum(c * d[name] for c, d in zip(coefficients, self.directions))).astype(np.float32)
            for name, w in self.base.items()
        }

    def row(self, weights: dict[str, np.ndarray]) -> dict[str, float]:
        scores = {
            task: round(score(self.model, s, self.batch, self.longest, self.tasks[task].get("extract"), weights).accuracy, 4)
            for task, s in self.samples["test"].items()
        }
        return {**scores, "mean": round(float(np.mean(list(scores.values()))), 4)}

    def fitness(self, coefficients) -> float:
        weights = self.merged(coefficients)
        return float(np.mean([fitness(self.model, s, self.batch, weights) for s in self.samples["optimise"].values()]))

    def table(self, multitask: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
        count = len(self.tasks)
        rows = {"base": self.row(self.base)} | {task: self.row(expert) for task, expert in self.experts.items()}
        own = {task: rows[task][task] for task in self.tasks}
        rows["experts_on_their_own"] = {**own, "mean": round(float(np.mean(list(own.values()))), 4)}
        rows["average"] = self.row(self.merged([1 / count] * count))
        rows["task_arithmetic_0.3"] = self.row(self.merged([0.3] * count))
        scale = max((round(0.05 * i, 2) for i in range(1, 31)), key=lambda v: self.fitness([v] * count))
        rows["tuned_task_arithmetic"] = {**self.row(self.merged([scale] * count)), "lambda": scale}
        best = cma_es(self.fitness, np.full(count, scale), 0.15, self.evaluations, self.seed)
        rows["coefficient_search"] = {**self.row(self.merged(best)), "coefficients": [round(float(c), 4) for c in best]}
        rows["multitask"] = self.row(multitask)
        return rows


def as_stored(state: dict, names: dict) -> dict[str, np.ndarray]:
    """A checkpoint's tensors under the graph's names, turned as the graph holds them."""
    return {
        stored: (state[e["name"]].T if e["transposed"] else state[e["name"]]).numpy() for stored, e in names["tensors"].items()
    }
