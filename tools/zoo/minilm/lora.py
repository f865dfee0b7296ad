"""Two LoRA adapters on the base that build.py laid out, as PEFT writes them.

    python lora.py --packages DIR --out DIR [--steps 60]

Leaves OUT/<task>-lora (adapter_config.json, adapter_model.safetensors with the head among what is saved) and
OUT/<task>-lora.expected.json: the logits PEFT itself computes of a few test texts.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer

from build import LONGEST, classifier, train
from data import TASKS, all_samples

# Unlike in rank, alpha and reach, so that a reader of adapters has more than one kind to read.
ADAPTERS = {
    "spam": dict(r=8, lora_alpha=16, target_modules=["query", "value"]),
    "names": dict(r=4, lora_alpha=8, target_modules=["query", "key", "value", "dense"], use_rslora=True),
}
RATE = 2e-3
SHOWN = 32  # test texts whose logits are left


def logits(network, tokenizer, texts: list[str]) -> np.ndarray:
    x = tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.no_grad():
        return network(**x).logits.numpy()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--packages", type=Path, required=True, help="what build.sh unpacked")
    cli.add_argument("--out", type=Path, required=True, help="where build.py left base")
    cli.add_argument("--steps", type=int, default=60)
    cli.add_argument("--threads", type=int, default=1)
    args = cli.parse_args()
    torch.set_num_threads(args.threads)

    tokenizer = AutoTokenizer.from_pretrained(args.out / "base")
    tasks = all_samples(args.packages)
    for task, shape in ADAPTERS.items():
        network = get_peft_model(
            classifier(args.out / "base", TASKS[task]["labels"]),
            LoraConfig(task_type="SEQ_CLS", lora_dropout=0.0, **shape),
        )
        train(network, tokenizer, tasks[task]["train"], args.steps, RATE)
        network.peft_config["default"].base_model_name_or_path = "minilm/base"
        folder = args.out / f"{task}-lora"
        network.save_pretrained(folder, save_embedding_layers=False)  # else it asks the Hub for the base
        for stray in folder.glob("README.md"):
            stray.unlink()
        test = tasks[task]["test"]
        rows = np.concatenate([logits(network, tokenizer, [s["text"] for s in test[i : i + 50]]) for i in range(0, len(test), 50)])
        right = float((rows.argmax(1) == np.array([s["label"] for s in test])).mean())
        shown = [s["text"] for s in test[:SHOWN]]
        expected = dict(texts=shown, logits=logits(network, tokenizer, shown).round(6).tolist(), accuracy=right)
        (args.out / f"{task}-lora.expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
        print(f"{task}-lora: accuracy {right:.3f} on test", flush=True)


if __name__ == "__main__":
    main()
