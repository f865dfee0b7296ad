"""Two merges of one recipe, tensor by tensor: does ours say what mergekit's says?

    python tools/parity/compare.py OURS THEIRS --config recipe.yml [--models DIR]
    python tools/parity/compare.py --fixtures      holds reference.py against all fixtures, as a check of this comparison

float32 may differ by 2e-6·max(1, |w|), bfloat16 and float16 by one unit in the last place. What is computed in float32 and stored in 16 bits may be off by
a rounding of float32 besides: where inputs cancel each other almost wholly, that is more than a unit of the little that is left. An element on the threshold of a
selection (equal |δ| at the k-th place, of which any may be kept) has a few legal values: both sides must have one of them, and
the number of elements kept must be right. Those elements are counted. DIR is where the recipe's model names lead to, the
current folder unless given. Exit code 0: equal; 1: not.
"""

from runner import plan, tensors_of  # first: it may start Python anew

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
import yaml

import reference
from family import FAMILY, FIXTURES

ORDER = ["float16", "bfloat16", "float32", "float64"]


def name_of(dtype):
    return str(dtype).split(".")[1]


def allowed(a, b, dtype):
    """Largest difference of two values that still are the same merge."""
    size = np.maximum(np.abs(a), np.abs(b))
    if dtype not in ("bfloat16", "float16"):
        return 2e-6 * np.maximum(1, size)
    bits, least = (7, 2.0**-126) if dtype == "bfloat16" else (10, 2.0**-14)
    return 2.0 ** (np.floor(np.log2(np.maximum(size, least))) - bits)


def far(a, b, dtype):
    """Difference as a multiple of what is allowed; what is not finite must be the same on both sides."""
    with np.errstate(invalid="ignore"):
        ratio = np.abs(a - b) / allowed(a, b, dtype)
    return np.where(np.isfinite(a) & np.isfinite(b), ratio, np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.inf))


# ---------------------------------------------------------------- thresholds


class Selection:
    """Legal values of a tensor whose method selects: `check` gives (worst ratio, count of elements on a threshold, faults)."""

    def __init__(self, job, inputs, compute, kind):
        self.job, self.inputs, self.kind = job, inputs, kind
        self.a, self.out = reference.Arithmetic(compute), reference.Arithmetic(kind)

    def check(self, value):
        if self.job["method"] == "sce":
            return self.check_sce(value)
        if self.job["method"] == "arcee_fusion":
            return self.check_arcee(value)
        return self.check_sparse(value)

    def check_sparse(self, value):
        """Each expert may keep or drop an element that is tied in it: 2^experts values at most."""
        base = self.job["base"]
        experts = [m for m in self.job["inputs"] if m != base]
        tied, missing = {}, {}
        for m in experts:
            own, delta = self.job["perModel"][m], self.a.sub(self.inputs[m], self.inputs[base])
            largest = reference.SPARSE[self.job["method"]] == "largest"
            sure, tied[m] = reference.largest(delta, own["density"]) if largest else reference.both_tails(delta, own["density"], own["gamma"])
            count = int(own["density"] * delta.size)
            missing[m] = (max(1, count) if largest and own["density"] > 0 else count) - int(sure.sum())
        some = np.any(list(tied.values()), axis=0)
        ratios, choices = [], list(itertools.product((False, True), repeat=len(experts)))
        for kept in choices:
            chosen = dict(zip(experts, kept))
            legal = reference.task_arithmetic_family(self.job, self.inputs, self.a, lambda m, t: np.full(t.shape, chosen[m]))
            ratios.append(far(value, self.out(legal), self.kind))
        ratio, faults = np.min(ratios, axis=0), []
        for i, m in enumerate(experts):
            if not tied[m].any():
                continue
            fits = np.stack(ratios) <= 1
            can_keep = np.any([fits[j] for j, kept in enumerate(choices) if kept[i]], axis=0)
            can_drop = np.any([fits[j] for j, kept in enumerate(choices) if not kept[i]], axis=0)
            least, most = int((tied[m] & ~can_drop).sum()), int((tied[m] & can_keep).sum())
            if not least <= missing[m] <= most:
                faults.append(f"{m} keeps {least}–{most} of its tied elements, {missing[m]} would be right")
        return ratio, int(some.sum()), faults

    def check_sce(self, value):
        """What is selected decides the weights of the whole tensor, so the selection is read from the result first."""
        base = self.inputs[self.job["base"]]
        deltas = [self.a.sub(self.inputs[m], base) for m in self.job["inputs"] if m != self.job["base"]]
        topk = self.job["parameters"]["select_topk"]
        sure, tied = reference.sce_selection(deltas, topk, self.a)
        kept = sure | (tied & (value != self.out(base)))
        ratio = far(value, self.out(reference.sce(self.job, self.inputs, self.a, kept)), self.kind)
        variance = self.a(np.var(np.float64(deltas), axis=0))
        count = int(np.count_nonzero(variance) * topk)
        faults = [f"{int(kept.sum())} selected, {count} would be right"] if tied.any() and int(kept.sum()) != count else []
        return ratio, int(tied.sum()), faults

    def check_arcee(self, value):
        """Importance is |Δ|·KL; near the threshold, and where KL is less than rounding makes of it, either value is right."""
        importance, threshold, distance = reference.arcee_importance(self.job, self.inputs, self.a)
        slack = distance * (5e-7 if self.a.dtype == "float32" else 0) + 1e-5 * threshold
        edge = np.abs(importance - threshold) <= slack
        both = [far(value, self.out(reference.arcee_fusion(self.job, self.inputs, self.a, np.full(value.shape, k))), self.kind) for k in (False, True)]
        sure = far(value, self.out(reference.arcee_fusion(self.job, self.inputs, self.a)), self.kind)
        return np.where(edge, np.minimum(*both), sure), int(edge.sum()), []


def selects(job):
    own = [job["perModel"].get(m, {}) for m in job["inputs"]]
    if job["method"] in ("ties", "breadcrumbs", "breadcrumbs_ties"):
        return any(values.get("density", 1) < 1 for values in own)
    return job["method"] == "arcee_fusion" or (job["method"] == "sce" and job["parameters"]["select_topk"] < 1)


# ---------------------------------------------------------------- a whole merge


def jobs_of(rows, method, names):
    """Output name → what it is made of."""
    out = {}
    for row in rows:
        for entry in names if row["tensors"] == "all" else row["tensors"]:
            name, moved = (entry, {}) if isinstance(entry, str) else (entry["name"], entry["from"])
            out[name] = {**row, "method": method, "sources": {m: moved.get(m, name) for m in row["inputs"]}}
    return out


def inputs_of(job, models, dtype):
    """The inputs as float32 on the grid of the type that is computed in, and that type; None where a model has no such tensor."""
    tensors = {m: models[m].get(job["sources"][m]) for m in job["inputs"]}
    if any(t is None for t in tensors.values()) or len({t.shape for t in tensors.values()}) > 1:
        return None, None
    if dtype is None:
        promoted = next(iter(tensors.values())).dtype
        for t in tensors.values():
            promoted = torch.promote_types(promoted, t.dtype)
        dtype = name_of(promoted)
    a = reference.Arithmetic(dtype)
    return {m: a(t.float().numpy()) for m, t in tensors.items()}, dtype


def compare(ours, theirs, recipe, rows, models):
    """Prints a line for each tensor that is not simply equal; True if all are."""
    good, worst, on_edge, total = True, 0.0, 0, 0
    jobs = jobs_of(rows, recipe["merge_method"], list(theirs))
    dtype = (recipe.get("dtype") or "").removeprefix("torch.") or None
    for name in sorted(set(ours) | set(theirs)):
        if name not in ours or name not in theirs:
            print(f"  {name}: only {'theirs' if name in theirs else 'ours'}")
            good = False
            continue
        x, y = ours[name], theirs[name]
        if x.shape != y.shape:
            print(f"  {name}: {tuple(x.shape)}, theirs {tuple(y.shape)}")
            good = False
            continue
        total += y.numel()
        if not y.is_floating_point():
            good &= bool(torch.equal(x, y))
            continue
        inputs, compute = inputs_of(jobs[name], models, dtype)
        kind = min((k for k in (name_of(x.dtype), name_of(y.dtype), compute) if k), key=ORDER.index)
        a, b = (reference.Arithmetic(kind)(t.float().numpy()) for t in (x, y))
        ratio, faults = far(a, b, kind), []
        if inputs and kind in ("bfloat16", "float16") and (compute == "float32" or jobs[name]["method"] in ("linear", "slerp")):
            rounding = 2.0**-23 * len(inputs) * np.max(np.abs(list(inputs.values())), axis=0)
            ratio = np.where(np.abs(a - b) <= rounding, 0, ratio)
        if inputs and selects(jobs[name]):
            legal = Selection(jobs[name], inputs, compute, kind)
            (mine, edge, wrong_here), (his, _, wrong_there) = legal.check(a), legal.check(b)
            on_edge += edge
            ratio = np.minimum(ratio, np.maximum(mine, his))
            faults = [f"ours: {f}" for f in wrong_here] + [f"theirs: {f}" for f in wrong_there]
        worst = max(worst, float(ratio.max(initial=0)))
        if ratio.max(initial=0) > 1 or faults:
            at = np.unravel_index(int(ratio.argmax()), ratio.shape)
            print(f"  {name}: {int((ratio > 1).sum())} of {ratio.size} differ, worst {ratio.max():.3g}× what is allowed, at {tuple(map(int, at))}: {a[at]:.9g}, theirs {b[at]:.9g}")
            for fault in faults:
                print(f"    {fault}")
            good = False
        if name_of(x.dtype) != name_of(y.dtype):
            print(f"  {name}: {name_of(x.dtype)}, theirs {name_of(y.dtype)}")
    print(f"  {'equal' if good else 'NOT equal'}: {len(theirs)} tensors, {total} elements, worst {worst:.3g}× what is allowed, {on_edge} on thresholds")
    return good


def fixtures():
    """Our formulas against all fixtures that are not random and lay out no vocabulary anew."""
    good, index = True, json.loads((FIXTURES / "index.json").read_text())["cases"]
    for case, entry in index.items():
        recipe = yaml.safe_load((FIXTURES / f"{case}.yml").read_text())
        if entry.get("random") or "tokenizer" in recipe or "tokenizer_source" in recipe:
            continue
        models = {m: tensors_of(FAMILY / entry["family"] / m) for m in ("base", "math", "code", "chat", "wide")}
        theirs = tensors_of_file(FIXTURES / f"{case}.safetensors")
        ours = {}
        for name, job in jobs_of(entry["plan"], entry["method"], list(theirs)).items():
            if name in theirs:
                inputs, compute = inputs_of(job, models, recipe.get("dtype"))
                value = reference.METHODS[entry["method"]](job, inputs, reference.Arithmetic(compute), **choice(job, inputs, compute))
                ours[name] = torch.from_numpy(np.array(value, np.float32)).to(theirs[name].dtype)
        print(case)
        good &= compare(ours, theirs, recipe, entry["plan"], models)
    return good


def choice(job, inputs, compute):
    """Of the tied elements, as many as are missing, the first ones."""
    a = reference.Arithmetic(compute)
    base = inputs.get(job["base"])
    if job["method"] == "sce" and selects(job):
        deltas = [a.sub(inputs[m], base) for m in job["inputs"] if m != job["base"]]
        sure, tied = reference.sce_selection(deltas, job["parameters"]["select_topk"], a)
        count = int(np.count_nonzero(a(np.var(np.float64(deltas), axis=0))) * job["parameters"]["select_topk"])
        return {"mask": first(sure, tied, count)}
    if job["method"] in reference.SPARSE:

        def pick(m, tied):
            own, delta = job["perModel"][m], a.sub(inputs[m], base)
            largest = reference.SPARSE[job["method"]] == "largest"
            sure, _ = reference.largest(delta, own["density"]) if largest else reference.both_tails(delta, own["density"], own["gamma"])
            if not largest:
                return edges(delta, own, tied)
            return first(sure, tied, max(1, int(own["density"] * delta.size)))

        return {"choice": pick}
    return {}


def first(sure, tied, count):
    out = sure.reshape(-1).copy()
    out[np.flatnonzero(tied.reshape(-1))[: max(0, count - int(sure.sum()))]] = True
    return out.reshape(sure.shape)


def edges(delta, own, tied):
    """Both tails: a stable ascending order says which of the tied are inside."""
    count, top = int(own["density"] * delta.size), int(own["gamma"] * delta.size)
    bottom = max(0, delta.size - count - top)
    out = np.zeros(delta.size, bool)
    out[np.argsort(np.abs(delta).reshape(-1), kind="stable")[bottom : bottom + count]] = True
    return out.reshape(delta.shape) & tied


def tensors_of_file(path):
    from safetensors.torch import load_file

    return load_file(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", nargs="?", type=Path)
    parser.add_argument("theirs", nargs="?", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--models", type=Path, default=Path.cwd())
    parser.add_argument("--fixtures", action="store_true")
    options = parser.parse_args()
    if options.fixtures:
        sys.exit(0 if fixtures() else 1)
    if not (options.ours and options.theirs and options.config):
        parser.error("OURS, THEIRS and --config are needed")
    recipe = yaml.safe_load(options.config.read_text())
    rows = plan(recipe, options.models)
    names = {m for row in rows for m in row["inputs"]}
    models = {name: tensors_of(options.models / name) for name in names}
    sys.exit(0 if compare(tensors_of(options.ours), tensors_of(options.theirs), recipe, rows, models) else 1)


if __name__ == "__main__":
    main()
