"""The table: what base, experts, simple merges, a search over coefficients and a multitask model score on test.

Everything is read back from the files that are shipped and run with onnxruntime. What is tuned is tuned on
`optimise`; `test` is only looked at for the rows below.
"""

from pathlib import Path

import numpy as np

import sheets
from cmaes import cma_es
from lifted import Lifted, accuracy, log_likelihood
from settings import SEED

SEARCH_SAMPLES = 200  # a task
SEARCH_EVALUATIONS = 240


class Bench:
    def __init__(self, family: Path, tasks: list[str]):
        self.tasks = tasks
        self.graphs = {task: Lifted(family / task / "onnx/model.onnx") for task in tasks}
        self.base = Lifted(family / "base/onnx/model.onnx").body()
        self.directions = [
            {name: w - self.base[name] for name, w in self.graphs[task].body().items()} for task in tasks
        ]
        assert all(d.keys() == self.base.keys() for d in self.directions)
        self.samples = {
            split: {task: sheets.read(family / task / "samples", split) for task in tasks}
            for split in ("optimise", "test")
        }
        dice = np.random.default_rng(SEED)
        for task, s in self.samples["optimise"].items():
            pick = dice.permutation(len(s.label))[:SEARCH_SAMPLES]
            s.pixels, s.label = s.pixels[pick], s.label[pick]

    def merged(self, coefficients) -> dict[str, np.ndarray]:
        return {
            name: (w + sum(c * d[name] for c, d in zip(coefficients, self.directions))).astype(np.float32)
            for name, w in self.base.items()
        }

    def row(self, body: dict[str, np.ndarray]) -> dict[str, float]:
        scores = {}
        for task, s in self.samples["test"].items():
            scores[task] = round(accuracy(self.graphs[task].logits(s, body), s.label), 4)
        return {**scores, "mean": round(float(np.mean(list(scores.values()))), 4)}

    def fitness(self, coefficients) -> float:
        """Mean log-likelihood over the tasks, on samples to optimise."""
        body = self.merged(coefficients)
        return float(np.mean([
            log_likelihood(self.graphs[task].logits(s, body), s.label) for task, s in self.samples["optimise"].items()
        ]))

    def table(self, multitask: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
        count = len(self.tasks)
        rows = {"base": self.row(self.base)}
        for task in self.tasks:
            rows[task] = self.row(self.graphs[task].body())
        own = {task: rows[task][task] for task in self.tasks}
        rows["experts_on_their_own"] = {**own, "mean": round(float(np.mean(list(own.values()))), 4)}
        rows["average"] = self.row(self.merged([1 / count] * count))
        rows["task_arithmetic_0.3"] = self.row(self.merged([0.3] * count))
        scale = max((round(0.05 * i, 2) for i in range(1, 31)), key=lambda v: self.fitness([v] * count))
        rows["tuned_task_arithmetic"] = {**self.row(self.merged([scale] * count)), "lambda": scale}
        best = cma_es(self.fitness, np.full(count, scale), 0.1, SEARCH_EVALUATIONS, SEED)
        rows["coefficient_search"] = {
            **self.row(self.merged(best)), "coefficients": [round(float(c), 4) for c in best]
        }
        rows["multitask"] = self.row(multitask)
        return rows
