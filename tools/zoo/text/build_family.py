"""The one way a text family is built: base, experts, reference, graphs, samples, table. A family says what is its own."""

import copy
import json
import multiprocessing
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import torch

from family import list_family, table
from graphs import export
from measure import Bench, as_stored
from samples import write
from training import train

started = time.time()
forked: dict = {}  # what forked processes find here need not be sent to them


def say(what: str) -> None:
    print(f"{time.time() - started:6.0f} s  {what}", flush=True)


@dataclass
class Plan:
    name: str
    tasks: dict[str, dict]
    splits: dict[str, dict[str, list]]  # task → split → samples
    base_mixture: list  # what the base learns from, and what an expert goes on seeing beside its task
    new_network: Callable
    batch_of: Callable
    tokenizer: object
    export_task: str
    files: list[str]
    lengths: dict[str, dict]
    size: int
    rehearsed: float
    batch: int
    longest: int
    seed: int
    evaluations: int  # of the search over coefficients
    write_card: Callable  # (folder, rows, parameters) → None


def quickly(lengths: dict[str, dict]) -> dict[str, dict]:
    """For trying the pipeline: hardly any training, so that what is measured means nothing."""
    return {name: dict(plan, steps=10) for name, plan in lengths.items()}


def kept(folder: Path | None, name: str, network, learn: Callable):
    """The network as an earlier run left it in the folder, or as it learns now."""
    file = folder and folder / f"{name}.pt"
    if file and file.exists():
        network.load_state_dict(torch.load(file))
        return network.eval()
    learn(network)
    if file:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), file)
    return network


def fine_tune(name: str):
    """One expert, or the reference that sees all tasks at once. Runs in a forked process, on one thread."""
    torch.set_num_threads(1)
    base, plan = forked["base"], forked["plan"]
    if name == "multitask":
        share = plan.size // len(plan.tasks)
        sets = [(splits["train"], share) for splits in plan.splits.values()]
    else:
        again = int(plan.size * plan.rehearsed)
        sets = [(plan.splits[name]["train"], plan.size - again), (plan.base_mixture, again)]

    def learn(network):
        train(network, sets, plan.batch_of, **plan.lengths[name], seed=plan.seed + sum(name.encode()))
        say(f"trained {name}")

    return kept(forked["keep"], name, copy.deepcopy(base), learn)


def build(plan: Plan, out: Path, workers: int, safetensors: Path | None, keep: Path | None) -> None:
    """`keep` is a folder that keeps what was trained: the next run trains what was taken out of it."""
    torch.set_num_threads(1)  # the same sums in the same order, however many cores there are
    torch.use_deterministic_algorithms(True)
    say("training the base")
    torch.manual_seed(plan.seed)
    length = plan.lengths["base"]
    base = kept(keep, "base", plan.new_network(), lambda network: train(
        network, [(plan.base_mixture, plan.size)], plan.batch_of, **length, seed=plan.seed, log=say))

    say("training the experts and the multitask reference")
    context = multiprocessing.get_context("fork")
    forked.update(base=base, plan=plan, keep=keep)
    with context.Pool(workers) as pool:
        *trained, multitask = pool.map(fine_tune, (*plan.tasks, "multitask"), chunksize=1)
    experts = dict(zip(plan.tasks, trained))

    say("exporting")
    made = Path(tempfile.mkdtemp()) / plan.name  # the family that is there stays whole until this one is
    for name, network in dict(base=base, **experts).items():
        names = export(network, plan.tokenizer, made / name, plan.export_task, plan.files, safetensors and safetensors / name)
        file = made / "names.json"
        assert not file.exists() or json.loads(file.read_text()) == names
        file.write_text(json.dumps(names, indent=1) + "\n")
    for name, task in plan.tasks.items():
        more = dict(extract=task["extract"]) if "extract" in task else {}
        write(made / name / "samples", name, task["kind"], task["metric"], plan.longest, plan.splits[name], **more)

    say("measuring")
    bench = Bench(made, plan.tasks, plan.batch, plan.longest, plan.seed, plan.evaluations)
    rows = bench.table(as_stored(multitask.state_dict(), names))

    say("writing the cards")
    plan.write_card(made, rows, sum(p.numel() for p in base.parameters()))
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(made, out)
    made.parent.rmdir()
    list_family(out.parent, plan.name)
    print(table(rows, plan.tasks))
    say("done")

