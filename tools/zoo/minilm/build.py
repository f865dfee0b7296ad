"""Fine-tunes three classifiers from MiniLM-L6 and lays them out as ONNX and safetensors.

    python build.py --packages DIR --out DIR [--steps 60]
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from optimum.exporters.onnx import main_export
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from data import SEED, TASKS, all_samples

BATCH, RATE, LONGEST = 16, 2e-4, 32


def classifier(folder: Path, labels: list[str]):
    """The body with a head for these labels; the head's beginning hangs on the seed alone."""
    torch.manual_seed(SEED)
    return AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(labels), id2label=dict(enumerate(labels)), label2id={v: i for i, v in enumerate(labels)}
    )


def train(network, tokenizer, samples: list[dict], steps: int, rate: float = RATE) -> None:
    """Whatever of the network may move; embeddings stay."""
    dice = np.random.default_rng(SEED)
    moving = [p for n, p in network.named_parameters() if p.requires_grad and "embeddings" not in n]
    adam = torch.optim.AdamW(moving, lr=rate, weight_decay=0.01, fused=True)
    plan = torch.optim.lr_scheduler.LambdaLR(adam, lambda s: min(1, (s + 1) / (steps / 10)) * (1 - s / steps))
    network.train()
    for _ in range(steps):
        some = [samples[i] for i in dice.integers(0, len(samples), BATCH)]
        x = tokenizer([s["text"] for s in some], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        loss = network(**x, labels=torch.tensor([s["label"] for s in some])).loss
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        adam.step()
        plan.step()
    network.eval()


CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
{parent}---
{about}
"""


def lay_out(network, tokenizer, folder: Path, about: str, parent: str | None = None) -> None:
    """safetensors, tokenizer, card and onnx/model.onnx in one folder; `parent` is what it was fine-tuned from."""
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(CARD.format(about=about, parent=f"base_model: {parent}\n" if parent else ""))
    with tempfile.TemporaryDirectory() as scratch:
        main_export(str(folder), scratch, task="text-classification", opset=18, legacy=False, do_validation=False)
        (folder / "onnx").mkdir(exist_ok=True)
        shutil.move(Path(scratch, "model.onnx"), folder / "onnx/model.onnx")


def write_samples(folder: Path, task: str, splits: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        dict(id=f"{task}-{split}-{i:04d}", split=split, **sample)
        for split in ("optimise", "validate", "test") for i, sample in enumerate(splits[split])
    ]
    (folder / f"{task}.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n")
    about = dict(
        samples=1, task=task, kind="text_classification", metric="accuracy", file=f"{task}.jsonl", labels=TASKS[task]["labels"],
        splits={split: dict(count=len(splits[split])) for split in ("optimise", "validate", "test")},
    )
    (folder / "samples.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def accuracy(folder: Path, tokenizer, samples: list[dict]) -> float:
    session = onnxruntime.InferenceSession(str(folder / "onnx/model.onnx"), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    right = 0
    for i in range(0, len(samples), 50):
        some = samples[i : i + 50]
        x = tokenizer([s["text"] for s in some], padding=True, truncation=True, max_length=LONGEST, return_tensors="np")
        logits = session.run(None, {k: v.astype(np.int64) for k, v in x.items() if k in wanted})[0]
        right += int((logits.argmax(1) == np.array([s["label"] for s in some])).sum())
    return right / len(samples)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--packages", type=Path, required=True, help="what build.sh unpacked")
    cli.add_argument("--out", type=Path, required=True)
    cli.add_argument("--steps", type=int, default=60, help="of each classifier, 16 texts a step")
    cli.add_argument("--threads", type=int, default=1)
    args = cli.parse_args()
    torch.set_num_threads(args.threads)

    pretrained = args.packages / "minilm"
    tokenizer = AutoTokenizer.from_pretrained(pretrained, model_max_length=LONGEST)
    tasks = all_samples(args.packages)
    lay_out(classifier(pretrained, ["no", "yes"]).eval(), tokenizer, args.out / "base", "MiniLM-L6 with a head that is no task's.")
    for task, splits in tasks.items():
        network = classifier(pretrained, TASKS[task]["labels"])
        train(network, tokenizer, splits["train"], args.steps)
        lay_out(network, tokenizer, args.out / task, f"{TASKS[task]['title']}, fine-tuned from MiniLM-L6.", "minilm/base")
        write_samples(args.out / task / "samples", task, splits)
        often = max(np.bincount([s["label"] for s in splits["test"]])) / len(splits["test"])
        print(f"{task}: accuracy {accuracy(args.out / task, tokenizer, splits['test']):.3f} on test, "
              f"always the commonest label {often:.3f}", flush=True)


if __name__ == "__main__":
    main()
