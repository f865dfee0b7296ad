"""Every deterministic method once more, from its formula, in NumPy: a second opinion on mergekit and on this project.

Arithmetic is done in the merge's own type: `Arithmetic` rounds after each operation, which is what a tensor library does
with bfloat16 and float16. Sums over elements are taken in float64 and rounded once.

`python tools/parity/compare.py --fixtures` holds it against all fixtures.
"""

import itertools

import numpy as np


class Arithmetic:
    """float32 values that all lie on the grid of `dtype`."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, x):
        x = np.asarray(x, np.float32)
        if self.dtype == "float32":
            return x
        if self.dtype == "float16":
            with np.errstate(over="ignore"):
                return x.astype(np.float16).astype(np.float32)
        bits = np.ascontiguousarray(x).reshape(-1).view(np.uint32).astype(np.uint64)
        even = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
        out = even.astype(np.uint32).view(np.float32).reshape(x.shape)
        return np.where(np.isnan(x), np.float32("nan"), out)

    def add(self, a, b):
        return self(np.float32(a) + np.float32(b))

    def sub(self, a, b):
        return self(np.float32(a) - np.float32(b))

    def mul(self, a, b):
        return self(np.float32(a) * np.float32(b))

    def div(self, a, b):
        with np.errstate(divide="ignore", invalid="ignore"):
            return self(np.float32(a) / np.float32(b))

    def sum(self, x, axis=None, keepdims=False):
        """Over elements: wide inside, rounded once."""
        return self(np.sum(np.asarray(x, np.float64), axis=axis, keepdims=keepdims).astype(np.float32))

    def over(self, xs):
        """Over experts: float32, in order, rounded once."""
        total = np.zeros_like(np.float32(xs[0]))
        for x in xs:
            total = np.float32(total + np.float32(x))
        return self(total)

    def norm(self, x, axis=None, keepdims=False):
        return self(np.sqrt(np.sum(np.square(np.asarray(x, np.float64)), axis=axis, keepdims=keepdims)).astype(np.float32))

    def fn(self, f, x):
        return self(f(np.asarray(x, np.float32)).astype(np.float32))


# ---------------------------------------------------------------- selections


def largest(delta, density):
    """Kept for certain, and tied at the threshold: of the tied ones any may be kept."""
    size = np.abs(delta).reshape(-1)
    n = size.size
    if density >= 1:
        return np.ones(delta.shape, bool), np.zeros(delta.shape, bool)
    if density <= 0 or not n:
        return np.zeros(delta.shape, bool), np.zeros(delta.shape, bool)
    return window(size, *span("largest", {"density": density}, n), delta.shape)


def both_tails(delta, density, gamma):
    size = np.abs(delta).reshape(-1)
    n = size.size
    if density >= 1:
        return np.ones(delta.shape, bool), np.zeros(delta.shape, bool)
    return window(size, *span("tails", {"density": density, "gamma": gamma}, n), delta.shape)


def span(kind, own, n):
    """First and last place (excluded) that is kept, in ascending order of |δ|."""
    count = int(own["density"] * n)
    if kind == "largest":
        return n - max(1, count), n
    bottom = max(0, n - count - int(own["gamma"] * n))
    return bottom, bottom + count


def window(size, start, stop, shape):
    """Places start..stop in ascending order of size."""
    order = np.sort(size)
    sure, tied = np.zeros(size.shape, bool), np.zeros(size.shape, bool)
    if stop > start:
        low, high = order[start], order[stop - 1]
        sure = (size > low) & (size < high)
        for edge in {float(low), float(high)}:
            at = size == np.float32(edge)
            all_in = np.searchsorted(order, edge, "left") >= start and np.searchsorted(order, edge, "right") <= stop
            sure, tied = (sure | at, tied) if all_in else (sure, tied | at)
    return sure.reshape(shape), tied.reshape(shape)


# ---------------------------------------------------------------- methods on task vectors

SPARSE = {"ties": "largest", "breadcrumbs": "tails", "breadcrumbs_ties": "tails", "task_arithmetic": None}
CONSENSUS = {"ties", "breadcrumbs_ties", "dare_ties", "della"}


def task_arithmetic_family(job, tensors, a, choice=lambda expert, tied: tied):
    """`choice` says which of the tied elements of an expert are kept."""
    base, experts, shared = tensors[job["base"]], [m for m in job["inputs"] if m != job["base"]], job["parameters"]
    if not experts:
        return base
    parts, weights = [], []
    for m in experts:
        own, delta = job["perModel"][m], a.sub(tensors[m], base)
        kind = SPARSE[job["method"]]
        if kind and own["density"] < 1:
            sure, tied = largest(delta, own["density"]) if kind == "largest" else both_tails(delta, own["density"], own["gamma"])
            kept = np.where(sure | (tied & choice(m, tied)), delta, np.float32(0))
            if shared["rescale"]:
                # Whichever of the tied are kept, the sizes that are kept are the same.
                order = np.sort(np.abs(delta).reshape(-1))
                before, after = a.sum(order), a.sum(order[slice(*span(kind, own, order.size))])
                if before >= 1e-7 and after >= 1e-7:
                    kept = a.mul(kept, a.div(before, after))
            delta = kept
        weight = a(own["weight"])
        parts.append(a.mul(delta, weight))
        weights.append(weight)
    if job["method"] in CONSENSUS:
        majority = np.where(a.over(parts) >= 0, 1, -1)
        agree = [np.sign(p) == majority for p in parts]
        mixed = a.over([np.where(k, p, np.float32(0)) for k, p in zip(agree, parts)])
        divisor = a.over([np.where(k, w, np.float32(0)) for k, w in zip(agree, weights)])
        divisor = np.where(divisor == 0, np.float32(1), divisor)
    else:
        mixed, divisor = a.over(parts), a.over(weights)
        divisor = np.float32(1) if abs(divisor) < 1e-8 else divisor
    if shared["normalize"]:
        mixed = a.div(mixed, divisor)
    if shared["lambda"] != 1:
        mixed = a.mul(mixed, shared["lambda"])
    return a.add(base, mixed)


def sce_selection(deltas, topk, a):
    if topk >= 1:
        return np.ones(deltas[0].shape, bool), np.zeros(deltas[0].shape, bool)
    mean = np.mean(np.float64(deltas), axis=0)
    variance = a(np.mean(np.square(np.float64(deltas) - mean), axis=0))
    count = int(np.count_nonzero(variance) * topk) if topk > 0 else 0
    size = variance.reshape(-1)
    return window(size, size.size - count, size.size, variance.shape)


def sce(job, tensors, a, mask=None):
    base, experts = tensors[job["base"]], [m for m in job["inputs"] if m != job["base"]]
    deltas = [a.sub(tensors[m], base) for m in experts]
    if mask is None:
        sure, tied = sce_selection(deltas, job["parameters"]["select_topk"], a)
        mask = sure | tied
    deltas = [np.where(mask, d, np.float32(0)) for d in deltas]
    majority = np.where(a.over(deltas) >= 0, 1, -1)
    agree = [np.sign(d) == majority for d in deltas]
    q = [a(np.mean(np.float64(a.mul(d, d)))) for d in deltas]
    total = float(a.over(q))
    q = [a(1 / len(q))] * len(q) if abs(total) < 1e-6 else [a.div(x, np.float32(total)) for x in q]
    shares = [np.where(k, x, np.float32(0)) for k, x in zip(agree, q)]
    mixed = a.over([a.mul(d, s) for d, s in zip(deltas, shares)])
    return a.add(base, a.div(mixed, np.maximum(a.over(shares), a(1e-6))))


def ram(job, tensors, a):
    base, experts, own = tensors[job["base"]], [m for m in job["inputs"] if m != job["base"]], job["parameters"]
    deltas = [a.sub(tensors[m], base) for m in experts]
    present = [np.abs(d) > np.float32(own["epsilon"]) for d in deltas]
    count = np.sum(present, axis=0)
    # The factors of ramplus_tl are float32, and so is its result, whatever the type of the inputs.
    a_end = Arithmetic("float32") if job["method"] == "ramplus_tl" else a
    parts = []
    for d, here in zip(deltas, present):
        unique, shared = here & (count == 1), here & (count > 1)
        factor = np.float32(1)
        if job["method"] == "ramplus_tl":
            ratio = np.float32(shared.sum()) / np.float32(max(unique.sum(), own["epsilon"]))
            factor = np.float32(1 + np.float32(own["r"]) * np.clip(ratio, 0, np.float32(own["alpha"])))
        alone = np.where(unique, d * factor, np.float32(0))
        parts.append(alone + a.div(np.where(shared, d, np.float32(0)), np.maximum(count, 1)))
    return a_end.add(base, a_end.over(parts))


# ---------------------------------------------------------------- geometry


def linear(job, tensors, a):
    wide = np.zeros(tensors[job["inputs"][0]].shape, np.float64)
    total = np.float32(0)
    for m in job["inputs"]:
        weight = np.float32(job["perModel"][m]["weight"])
        wide += np.float64(tensors[m]) * np.float64(weight)
        total = np.float32(total + weight)
    return a(np.float32(wide / total if job["parameters"]["normalize"] else wide))


def slerp(job, tensors, a):
    v0, v1 = np.float64(tensors[job["base"]]), np.float64(tensors[next(m for m in job["inputs"] if m != job["base"])])
    t = float(np.float32(job["parameters"]["t"]))
    n0, n1 = np.linalg.norm(v0), np.linalg.norm(v1)
    dot = np.clip(np.sum(v0 * v1) / ((n0 if n0 > 1e-8 else 1) * (n1 if n1 > 1e-8 else 1)), -1, 1)
    if abs(dot) > 0.9995:
        return a(np.float32((1 - t) * v0 + t * v1))
    angle = np.arccos(dot)
    return a(np.float32((np.sin((1 - t) * angle) * v0 + np.sin(t * angle) * v1) / np.sin(angle)))


def nuslerp(job, tensors, a):
    base = tensors[job["base"]] if job["base"] else None
    pair = [m for m in job["inputs"] if m != job["base"]]
    w = [job["perModel"][m]["weight"] for m in pair]
    t = 0.5 if abs(sum(w)) < 1e-6 else w[1] / sum(w)
    v = [tensors[m] if base is None else a.sub(tensors[m], base) for m in pair]
    shape = v[0].shape
    if job["parameters"]["nuslerp_flatten"]:
        v = [x.reshape(-1) for x in v]
    axis = 0 if job["parameters"]["nuslerp_row_wise"] and not job["parameters"]["nuslerp_flatten"] else -1
    units = [a.div(x, np.maximum(a.norm(x, axis, True), a(1e-7))) for x in v]
    cos = np.clip(a.sum(a.mul(*units), axis, True), -1, 1)
    straight = a.sub(1, a.mul(cos, cos)) <= 1e-16
    angle = a.fn(np.arccos, np.where(straight, np.float32(0), cos))
    low, high = a.fn(np.sin, a.mul(1 - t, angle)), a.fn(np.sin, a.mul(t, angle))
    bent = a.div(a.add(a.mul(low, v[0]), a.mul(high, v[1])), a.fn(np.sin, angle))
    out = np.where(straight, a.add(a.mul(1 - t, v[0]), a.mul(t, v[1])), bent).reshape(shape)
    return out if base is None else a.add(base, out)


def multislerp(job, tensors, a):
    base = tensors[job["base"]] if job["base"] else None
    names, own = [m for m in job["inputs"] if m != job["base"]], job["parameters"]
    if len(names) == 1:
        return tensors[names[0]]
    v = [tensors[m] if base is None else a.sub(tensors[m], base) for m in names]
    w = a([job["perModel"][m]["weight"] for m in names])
    if own["normalize_weights"]:
        w = a.div(w, a.over(list(w)))
    norms = [a.norm(x) for x in v]
    units = [a.div(x, a.add(n, own["eps"])) for x, n in zip(v, norms)]
    mean = a.over([a.mul(u, x) for u, x in zip(units, w)])
    mean = a.div(mean, a.norm(mean))
    tangents = [a.sub(u, a.mul(a.sum(a.mul(u, mean)), mean)) for u in units]
    tangent = a.over([a.mul(x, y) for x, y in zip(tangents, w)])
    size = a.add(a.norm(tangent), own["eps"])
    out = a.add(a.mul(mean, a.fn(np.cos, size)), a.mul(tangent, a.div(a.fn(np.sin, size), size)))
    out = a.mul(out, a.over([a.mul(n, x) for n, x in zip(norms, w)]))
    return out if base is None else a.add(out, base)


def karcher(job, tensors, a):
    v, own = [tensors[m] for m in job["inputs"]], job["parameters"]
    if len(v) == 1:
        return v[0]
    wide = Arithmetic("float32")
    norms = [wide.norm(x) for x in v]
    live = [i for i, n in enumerate(norms) if n > own["tol"]]
    if not live:
        return np.zeros_like(v[0])
    share = 1 / len(live)
    units = [a(np.float32(v[i]) / norms[i]) for i in live]
    mean = np.zeros_like(v[0])
    for u in units:
        mean = a.add(mean, a.mul(share, u))
    size = wide.norm(mean)
    mean = units[0] if size < own["tol"] else a(mean / size)
    for _ in range(own["max_iter"]):
        tangent = np.zeros_like(mean)
        for u in units:
            dot = np.clip(a.sum(np.float64(mean) * u), -1, 1)
            angle = a.fn(np.arccos, dot)
            if angle < own["tol"]:
                continue
            factor = a.mul(share, a.div(angle, a.fn(np.sin, angle)))
            tangent = a.add(tangent, a.mul(factor, a.sub(u, a.mul(dot, mean))))
        size = wide.norm(tangent)
        if size < own["tol"]:
            break
        # A number of one element left of a product is rounded to the type of the other side; right of it, it is not.
        mean = a(a.mul(a(np.cos(size)), mean) + a.mul(a(np.sin(size)), a.div(tangent, size)))
        unit = wide.norm(mean)
        if unit > own["tol"]:
            mean = a(mean / unit)
    return a.mul(a(sum(np.float32(n / len(v)) for n in norms)), mean)


def model_stock(job, tensors, a):
    base, names = tensors[job["base"]], [m for m in job["inputs"] if m != job["base"]]
    shape = base.shape
    rows = (lambda x: x.reshape(-1, shape[-1])) if job["parameters"]["filter_wise"] else (lambda x: x.reshape(1, -1))
    base, w = rows(base), [rows(tensors[m]) for m in names]
    d = [a.sub(x, base) for x in w]
    cosines = [
        np.clip(a.div(a.sum(a.mul(x, y), -1), np.maximum(a.mul(a.norm(x, -1), a.norm(y, -1)), a(1e-6))), -1, 1)
        for x, y in itertools.combinations(d, 2)
    ]
    c = a(np.mean(np.float64(cosines), axis=0))[:, None]
    n = len(names)
    below = a.add(1, a.mul(n - 1, c))
    t = np.where(np.abs(below) < 1e-6, np.float32(0), a.div(a.mul(n, c), below))
    total = np.zeros_like(base)
    for x in w:
        total = a.add(total, x)
    return a.add(a.mul(t, a.div(total, n)), a.mul(a.sub(1, t), base)).reshape(shape)


def nearswap(job, tensors, a):
    x, y = tensors[job["base"]], tensors[next(m for m in job["inputs"] if m != job["base"])]
    inverse = a.div(1, np.maximum(np.abs(a.sub(x, y)), a(1e-6)))
    w = np.clip(a.mul(inverse, job["parameters"]["t"]), 0, 1)
    return a.add(a.mul(w, y), a.mul(a.sub(1, w), x))


def arcee_importance(job, tensors, a):
    """I, the threshold, and |Δ|. Where |Δ| is small, KL is little more than rounding."""
    x, y = tensors[job["base"]], tensors[next(m for m in job["inputs"] if m != job["base"])]

    def softmax(z):
        e = np.exp(np.float64(z) - np.float64(z.max(-1, keepdims=True)))
        return a.add(a(np.float32(e / e.sum(-1, keepdims=True))), 1e-8)

    p, q = softmax(y), softmax(x)
    kl = a.sum(a.mul(p, a.fn(np.log, a.div(p, q))), -1, True)
    far = np.abs(a.sub(y, x))
    importance = a.mul(far, kl)
    order = np.sort(importance.reshape(-1))
    q1, median, q3 = (order[int(np.float32(f) * np.float32(order.size - 1))] for f in (0.25, 0.5, 0.75))
    return importance, a.add(median, a.mul(1.5, a.sub(q3, q1))), far


def arcee_fusion(job, tensors, a, kept=None):
    """The mask is float32, and so is the result, whatever the type of the inputs."""
    x, y = tensors[job["base"]], tensors[next(m for m in job["inputs"] if m != job["base"])]
    if kept is None:
        importance, threshold, _ = arcee_importance(job, tensors, a)
        kept = importance >= threshold
    return np.float32(x + np.where(kept, a.sub(y, x), np.float32(0)))


def passthrough(job, tensors, a):
    (name,) = job["inputs"]
    scale = job["perModel"].get(name, {}).get("scale")
    return tensors[name] if scale is None else a.mul(tensors[name], scale)


METHODS = {
    **dict.fromkeys(SPARSE, task_arithmetic_family), "sce": sce, "ram": ram, "ramplus_tl": ram, "linear": linear, "slerp": slerp,
    "nuslerp": nuslerp, "multislerp": multislerp, "karcher": karcher, "model_stock": model_stock, "nearswap": nearswap,
    "arcee_fusion": arcee_fusion, "passthrough": passthrough,
}
