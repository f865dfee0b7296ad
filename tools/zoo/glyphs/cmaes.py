"""CMA-ES (Hansen, arXiv 1604.00772), maximising: the search the table compares with."""

import numpy as np


def cma_es(fitness, start: np.ndarray, sigma: float, evaluations: int, seed: int) -> np.ndarray:
    dice, n = np.random.default_rng(seed), len(start)
    size = 4 + int(3 * np.log(n))
    parents = size // 2
    weights = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    weights /= weights.sum()
    mu = 1 / (weights**2).sum()
    cc, cs = (4 + mu / n) / (n + 4 + 2 * mu / n), (mu + 2) / (n + mu + 5)
    c1 = 2 / ((n + 1.3) ** 2 + mu)
    cmu = min(1 - c1, 2 * (mu - 2 + 1 / mu) / ((n + 2) ** 2 + mu))
    damping = 1 + 2 * max(0.0, np.sqrt((mu - 1) / (n + 1)) - 1) + cs
    expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))

    mean, cov, path, step_path = start.astype(float), np.eye(n), np.zeros(n), np.zeros(n)
    best, best_fitness = mean, fitness(mean)
    for generation in range(1, (evaluations - 1) // size + 1):
        values, vectors = np.linalg.eigh(cov)
        root = np.sqrt(np.maximum(values, 1e-20))
        steps = dice.standard_normal((size, n)) @ (vectors * root).T
        scores = np.array([fitness(mean + sigma * s) for s in steps])
        order = np.argsort(-scores)
        if scores[order[0]] > best_fitness:
            best, best_fitness = mean + sigma * steps[order[0]], scores[order[0]]
        chosen = steps[order[:parents]]
        move = weights @ chosen
        mean = mean + sigma * move
        step_path = (1 - cs) * step_path + np.sqrt(cs * (2 - cs) * mu) * (vectors / root) @ vectors.T @ move
        calm = np.linalg.norm(step_path) / np.sqrt(1 - (1 - cs) ** (2 * generation)) < (1.4 + 2 / (n + 1)) * expected
        path = (1 - cc) * path + calm * np.sqrt(cc * (2 - cc) * mu) * move
        cov = (
            (1 - c1 - cmu + (not calm) * c1 * cc * (2 - cc)) * cov
            + c1 * np.outer(path, path)
            + cmu * (chosen.T * weights) @ chosen
        )
        sigma *= np.exp(cs / damping * (np.linalg.norm(step_path) / expected - 1))
    return best
