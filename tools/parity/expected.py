"""Runs mergekit 0.1.5 on every case and keeps what it says: tests/fixtures/parity/<case>.yml, <case>.safetensors, index.json.

    python tools/parity/expected.py             all cases
    python tools/parity/expected.py ties slices only cases whose name begins so (index.json is updated)

It is `mergekit-yaml`'s own entry point, called in this process because starting it takes longer than merging.
"""

import contextlib
import io
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":
    # mergekit lists the models of a recipe in the order of a set; without a base, which tokenizer is the first is chance.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1"})

import torch
import yaml
from mergekit.architecture import get_architecture_info
from mergekit.config import MergeConfiguration
from mergekit.io.tasks import LoaderCache
from mergekit.merge import _model_out_config
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner
from mergekit.scripts.run_yaml import main as mergekit_yaml
from safetensors import safe_open
from safetensors.torch import save_file

import cases
from family import FAMILY, FIXTURES, build

SOURCE = "https://github.com/arcee-ai/mergekit 0.1.5"


def run(recipe, family, out, seed=0):
    """What `mergekit-yaml recipe.yml out` writes, models being folders of the family."""
    LoaderCache.loaders.clear()  # it knows a model by the path it was called by
    with contextlib.chdir(FAMILY / family), tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(yaml.safe_dump(recipe, sort_keys=False))
        file.flush()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            mergekit_yaml([file.name, str(out), "--quiet", "--no-write-model-card", "--random-seed", str(seed)], standalone_mode=False)


def tensors_of(folder):
    out = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as handle:
            out |= {name: handle.get_tensor(name) for name in handle.keys()}
    return out


def plan(recipe, family):
    """Which tensor is made of what, with which numbers: what mergekit's own planner resolved."""
    LoaderCache.loaders.clear()
    with contextlib.chdir(FAMILY / family):
        config, options = MergeConfiguration.model_validate(recipe), MergeOptions()
        arch = get_architecture_info(config, options)
        LoaderCache().setup(options)
        planner = MergePlanner(config, arch, options, _model_out_config(config, arch))
        planner._plan()
    groups = {}
    for weight, task in planner._tensors:
        gather = getattr(task.gather_tensors, "gather_tensors", task.gather_tensors)
        sources = {str(model): info.name for model, info in gather.weight_info.items()}
        numbers = {
            "inputs": [str(model) for model in task.model_order if str(model) in sources],
            "base": str(task.base_model) if task.base_model else None,
            "parameters": dict(task.parameters.items()),
            "perModel": {str(m): dict(task.input_parameters[m].items()) for m in task.model_order if task.input_parameters.get(m)},
        }
        moved = {model: name for model, name in sources.items() if name != weight.name}
        entry = {"name": weight.name, "from": moved} if moved else weight.name
        groups.setdefault(json.dumps(numbers), []).append(entry)
    rows = [{**json.loads(numbers), "tensors": names} for numbers, names in groups.items()]
    if len(rows) == 1 and all(isinstance(name, str) for name in rows[0]["tensors"]):
        rows[0]["tensors"] = "all"
    return rows


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
        run(recipe, family, out)
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
            "plan": plan(recipe, family),
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
