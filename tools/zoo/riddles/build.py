"""Builds the family `riddles`: samples, tokenizer, base, experts, ONNX, table, cards.

    python build.py --out public/zoo/riddles [--arch mistral] [--safetensors DIR] [--quick]

`--arch mistral` makes the very same with another architecture: for tests, in a folder of its own.
"""

import argparse
from pathlib import Path

from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

import settings
from build_family import Plan, build, quickly
from card import write_card
from data import all_samples, base_mixture, base_sentences
from measure import SEARCH_EVALUATIONS
from tokenizer import tokenizer
from training import padded

ARCHITECTURES = dict(
    llama=(LlamaConfig, LlamaForCausalLM, {}),
    mistral=(MistralConfig, MistralForCausalLM, dict(sliding_window=None)),
)


class Batches:
    """Samples → what a causal model trains on: the loss is taken behind the prompt, on the end token too."""

    def __init__(self, reader):
        self.reader, self.known = reader, {}

    def ids(self, text: str) -> list[int]:
        if text not in self.known:
            self.known[text] = self.reader(text).input_ids
        return self.known[text]

    def __call__(self, samples) -> dict:
        pad, eos = settings.MODEL["pad_token_id"], settings.MODEL["eos_token_id"]
        rows, labels = [], []
        for sample in samples:
            asked, whole = self.ids(sample.prompt), [*self.ids(sample.prompt + sample.text), eos]
            assert whole[: len(asked)] == asked, f"{sample.prompt!r} is read otherwise when {sample.text!r} follows"
            rows.append(whole)
            labels.append([-100] * len(asked) + whole[len(asked) :])
        tokens = padded(rows, pad)
        return dict(input_ids=tokens, attention_mask=(tokens != pad).long(), labels=padded(labels, -100))


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--out", type=Path, required=True)
    cli.add_argument("--arch", choices=ARCHITECTURES, default="llama")
    cli.add_argument("--safetensors", type=Path, help="a folder for the same models as safetensors")
    cli.add_argument("--quick", action="store_true", help="ten steps a model: to try the pipeline")
    cli.add_argument("--keep", type=Path, help="a folder that keeps what was trained, for the next run")
    cli.add_argument("--workers", type=int, default=2, help="models that are trained at a time, one thread each")
    args = cli.parse_args()

    config, network, more = ARCHITECTURES[args.arch]
    lengths = quickly(settings.LENGTHS) if args.quick else settings.LENGTHS
    splits = all_samples()
    sentences = base_sentences()
    mixture = base_mixture(splits, sentences)
    reader = tokenizer([sample.prompt + sample.text for sample in mixture])
    plan = Plan(
        name=args.out.name, tasks=settings.TASKS, splits=splits, base_mixture=mixture,
        new_network=lambda: network(config(vocab_size=len(reader), **settings.MODEL, **more)),
        batch_of=Batches(reader), tokenizer=reader, export_task="text-generation-with-past", files=["model.onnx"],
        lengths=lengths, size=settings.SIZE, rehearsed=settings.REHEARSED,
        batch=settings.BATCH, longest=settings.LONGEST, seed=settings.SEED,
        evaluations=10 if args.quick else SEARCH_EVALUATIONS,
        write_card=lambda folder, rows, parameters: write_card(folder, args.arch, rows, parameters, splits),
    )
    build(plan, args.out, args.workers, args.safetensors, args.keep)


if __name__ == "__main__":
    main()
