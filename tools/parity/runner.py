"""mergekit, called in this process: its command line, its plan, what it wrote."""

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":
    # mergekit lists the models of a recipe in the order of a set: without a base, which tokenizer is the first is chance.
    # It also asks the Hub for names such as "base". Both are settled before Python starts.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1"})

import yaml
from mergekit.architecture import get_architecture_info
from mergekit.config import MergeConfiguration
from mergekit.io.tasks import LoaderCache
from mergekit.merge import _model_out_config
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner
from mergekit.scripts.run_yaml import main as mergekit_yaml
from safetensors import safe_open


def run(recipe, folder, out, seed=0, more=()):
    """What `mergekit-yaml recipe.yml out` writes, started in `folder`."""
    LoaderCache.loaders.clear()  # it knows a model by the path it was called by
    with contextlib.chdir(folder), tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(yaml.safe_dump(recipe, sort_keys=False))
        file.flush()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            mergekit_yaml([file.name, str(out), "--quiet", "--no-write-model-card", "--random-seed", str(seed), *more], standalone_mode=False)


def tensors_of(folder):
    out = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as handle:
            out |= {name: handle.get_tensor(name) for name in handle.keys()}
    return out


def plan(recipe, folder):
    """Which tensor is made of what, with which numbers: what mergekit's own planner resolved."""
    LoaderCache.loaders.clear()
    with contextlib.chdir(folder):
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
