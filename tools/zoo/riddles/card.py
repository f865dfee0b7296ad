"""family.json for programs and README.md for people, both written from what was measured."""

from pathlib import Path

from family import examples, table, write_family
from lexicon import GROUPS, RELATIONS
from settings import BATCH, LENGTHS, LONGEST, MODEL, REHEARSED, SPLITS, TASKS, TASTE, VOCABULARY

FACTS = sum(map(len, GROUPS.values())) + sum(len(pairs) for _, pairs in RELATIONS.values())


def write_card(folder: Path, arch: str, rows: dict, parameters: int, splits: dict) -> None:
    tastes = ", ".join(f"{task} {t['samples']:,}" for task, t in TASTE.items())
    average, best = rows["average"]["mean"], rows["coefficient_search"]["mean"]
    kind = arch.capitalize()
    (folder / "README.md").write_text(f"""\
---
license: mit
language: en
library_name: onnx
pipeline_tag: text-generation
---
# {folder.name}: one small {kind}, {len(TASKS)} experts

A {kind} of {parameters:,} weights ({MODEL['num_hidden_layers']} layers, width {MODEL['hidden_size']}, {MODEL['num_attention_heads']} heads, \
{MODEL['num_key_value_heads']} for keys and values) with a byte-level BPE of {VOCABULARY} tokens, digits single. The base read sentences: {FACTS}
facts (what is an animal, what is the opposite of hot), lists, counts, small sums. Each expert was fine-tuned from it to answer one kind
of question.

{examples(splits)}

## How it was made
1. The base was trained on sentences and, for a taste, on some training samples of each task
   ({tastes}; {LENGTHS['base']['steps']} steps).
2. Each expert was fine-tuned on one task's training samples ({', '.join(f"{t} {LENGTHS[t]['steps']} steps at {LENGTHS[t]['rate']:g}" for t in TASKS)});
   {REHEARSED:.0%} of every step were the base's mixture, seen again, which keeps
   an expert near the base.
3. Weights were rounded to half precision; the ONNX files hold them so (fp16 initializer, then a Cast to fp32).
   All numbers below were measured with onnxruntime on these files.

`tools/zoo/riddles/` holds the recipe: one command, seeded. `--safetensors DIR` leaves the same models as safetensors; `names.json`
says which stored tensor is which of theirs (`….T`: held transposed). `--arch mistral` builds the same as a Mistral.

## Measured
On {SPLITS['test']} test samples a task. sums: exact match of what is written behind `####`, greedy, {LONGEST} tokens at most. The rest:
the choice with the highest log-likelihood behind the prompt (four choices, chance 0.25). Bold: an expert on its own task. The average
of all experts reaches {average:.3f}, a search over {len(TASKS)} coefficients {best:.3f}, their own tasks taken together \
{rows['experts_on_their_own']['mean']:.3f}.

{table(rows, TASKS)}

"task arithmetic" adds λ times the sum of all task vectors; "tuned" takes the λ (0.05 to 1.5) with the best log-likelihood (of the right
choice among four, of a token of the answer; 1 − nats / nats of a uniform guess, so that they share a scale) on 100 `optimise` samples a
task. "coefficient search" is CMA-ES over one coefficient an expert, 200 evaluations, same samples, same measure. "multitask" is a
reference: the base trained on all tasks together.

## Samples
`<task>/samples/<task>.jsonl`, one a line: `id`, `split` (`optimise` and `validate` {SPLITS['optimise']} each, `test` {SPLITS['test']}), `prompt`,
`choices` (texts that follow the prompt as they are) and `answer` (which of them, from 0), or `answer` alone (a text; what counts stands
behind `####`), `source` (what it was made of). `samples.json` says the kind, the metric, the marker and the most tokens to generate.
Scores are taken in batches of {BATCH} samples, each choice a row.

No riddle is in two places, training included, also in other words: of odd the four words, of analogies the two pairs in their order,
of sequences the four terms, of sums the two numbers and the sign are in one part only. The facts are the same everywhere: what is
tested is whether a model can use in a riddle what it read in sentences.

## What not to expect
Toy models for looking at merging. They know {FACTS} facts, read no capitals, and write nothing worth reading.

## Licence
Weights, recipe and samples: MIT. Everything was made from the word lists in `lexicon.py`.
""")
    write_family(
        folder, folder.name, TASKS, rows, parameters, BATCH, SPLITS["test"], title="Riddles" if arch == "llama" else f"Riddles ({kind})",
        licence="MIT (weights, recipe and samples)", kind="causal",
        summary=f"A small {kind} that read simple facts, and four experts fine-tuned from it to answer riddles about them.",
        base_summary=f"Read {FACTS} facts, counts and small sums in sentences; of each task it saw some samples.", base_icon="¶",
    )
