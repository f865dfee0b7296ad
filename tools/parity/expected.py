"""Runs mergekit 0.1.5 on every case and keeps what it says: tests/fixtures/parity/<case>.yml, <case>.safetensors, index.json.

    python tools/parity/expected.py             all cases
    python tools/parity/expected.py ties slices only cases whose name begins so (index.json is updated)

It is `mergekit-yaml`'s own entry point, called in this process because starting it takes longer than merging.
"""

from runner import plan, run, tensors_of  # first: it may start Python anew

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

import cases
from family import FAMILY, FIXTURES

SOURCE = "https://github.com/arcee-ai/mergekit 0.1.5"


def kept_share(result, base, expert):
    """Of a random mask on one expert with weight 1: how much was kept, and by what it was multiplied."""
    rows = {}
    for name, merged in result.items():
        delta, got = (expert[name] - base[name]).double(), (merged - base[name]).double()
        some = delta != 0
        kept = some & (got.abs() > delta.abs() / 2)  # no factor is below 1
        if kept.any():
            rows[name] = {
                "n": int(some.sum()), "kept": int(kept.sum()),
                "factor": round(float((got[kept].abs().sum() / delta[kept].abs().sum())), 4),
                "l1": round(float(delta.abs().sum() / delta[kept].abs().sum()), 4),
            }
    return rows


def write(name, family, recipe, keep, note):
    file = FIXTURES / f"{name}.safetensors"
    (FIXTURES / f"{name}.yml").write_text(yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, width=110))
    entry = {"family": family, "method": recipe["merge_method"]} | ({"note": note} if note else {})
    with tempfile.TemporaryDirectory() as out:
        run(recipe, FAMILY / family, out)
        result = tensors_of(out)
        config = json.loads((Path(out) / "config.json").read_text())
        if recipe["merge_method"] in cases.RANDOM:
            base, expert = (tensors_of(FAMILY / family / model) for model in ("base", "math"))
            entry |= {"random": True, "tensors": kept_share(result, base, expert)}
            return entry
        kept = {n: t.contiguous() for n, t in result.items() if any(part in n for part in keep)}
        assert kept, f"{name}: nothing to keep"
        save_file(kept, file, {"format": "pt"})
        file.chmod(0o644)
        entry |= {
            "tensors": {n: list(t.shape) for n, t in sorted(result.items())} if len(result) != 30 else "as the base",
            "config": {key: config.get(key) for key in ("num_hidden_layers", "vocab_size", "dtype", "torch_dtype") if key in config},
            "files": sorted(f for f in os.listdir(out) if not f.endswith(".safetensors")),
            "finite": all(bool(torch.isfinite(t).all()) for t in result.values()),
            "plan": plan(recipe, FAMILY / family),
        }
        if "tokenizer_source" in recipe or "tokenizer" in recipe or "chat_template" in recipe:
            vocab = json.loads((Path(out) / "tokenizer.json").read_text())
            words = vocab["model"]["vocab"] | {t["content"]: t["id"] for t in vocab["added_tokens"]}
            entry["vocabulary"] = [word for word, _ in sorted(words.items(), key=lambda item: item[1])]
            template = Path(out) / "chat_template.jinja"
            entry["chatTemplate"] = template.read_text() if template.exists() else None
    return entry


def dump(index):
    """One line a case, and its plan a line a group."""
    lines = []
    for name, entry in index["cases"].items():
        plan_ = entry.get("plan")
        rest = json.dumps({k: v for k, v in entry.items() if k != "plan"}, ensure_ascii=False)
        if plan_:
            rows = ",\n      ".join(json.dumps(row, ensure_ascii=False) for row in plan_)
            rest = f'{rest[:-1]}, "plan": [\n      {rows}\n    ]}}'
        lines.append(f"    {json.dumps(name)}: {rest}")
    head = json.dumps({k: v for k, v in index.items() if k != "cases"}, ensure_ascii=False)
    return f'{head[:-1]}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    path = FIXTURES / "index.json"
    old = json.loads(path.read_text())["cases"] if path.exists() else {}
    wanted = sys.argv[1:]
    every = [*cases.core(), *cases.recipes(), *cases.random()]
    assert len({name for name, *_ in every}) == len(every)
    made = {}
    for name, *rest in every:
        if wanted and not name.startswith(tuple(wanted)):
            if name in old:
                made[name] = old[name]
            continue
        made[name] = write(name, *rest)
        print(name, flush=True)
    index = {"source": SOURCE, "torch": torch.__version__.split("+")[0], "cases": made}
    path.write_text(dump(index))
    json.loads(path.read_text())
