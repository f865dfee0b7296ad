"""family.json for programs, and the parts of a card that both families share."""

import hashlib
import json
from pathlib import Path


def digest(file: Path) -> dict:
    content = file.read_bytes()
    return dict(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def write_family(folder: Path, family: str, tasks: dict, rows: dict, parameters: int, batch: int, test: int, *,
                 title: str, summary: str, licence: str, kind: str, base_summary: str, base_icon: str) -> None:
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "family.json")
    about = dict(
        family=family, version=1, title=title, summary=summary, licence=licence, kind=kind, batch=batch, names="names.json",
        base=dict(id="base", model=f"zoo/{family}/base", title="base", summary=base_summary, icon=base_icon),
        experts=[
            dict(id=task, model=f"zoo/{family}/{task}", title=task, summary=t["about"], icon=t["icon"])
            for task, t in tasks.items()
        ],
        # No head: a language model is scored as it is. No labels: an answer is text.
        tasks=[
            dict(id=task, title=t["title"], source=f"zoo/{family}/{task}", metric=t["metric"], labels=[]) for task, t in tasks.items()
        ],
        parameters=parameters,
        files={str(f.relative_to(folder)): digest(f) for f in files},
        measured=dict(samples=dict(test=test), rows=rows),
    )
    (folder / "family.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def list_family(zoo: Path, family: str) -> None:
    """Adds a family to index.json; those that are there stay."""
    file = zoo / "index.json"
    index = json.loads(file.read_text()) if file.exists() else dict(zoo=1, families=[])
    index["families"] = list(dict.fromkeys([*index["families"], family]))
    file.write_text(json.dumps(index) + "\n")


def table(rows: dict, tasks) -> str:
    tasks = list(tasks)
    lines = ["| | " + " | ".join(tasks) + " | mean |", "|---|" + "---:|" * (len(tasks) + 1)]
    for name, row in rows.items():
        title = name.replace("_", " ") + (" (expert)" if name in tasks else "")
        title += f" (λ = {row['lambda']})" if "lambda" in row else ""
        cells = [f"**{row[t]:.3f}**" if name == t else f"{row[t]:.3f}" for t in tasks]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {row['mean']:.3f} |")
    return "\n".join(lines)


def examples(tasks: dict) -> str:
    """The first test sample of each task, as a table."""
    lines = ["| task | prompt | answer |", "|---|---|---|"]
    for task, splits in tasks.items():
        s = splits["test"][0]
        answer = " / ".join(f"**{c.strip()}**" if i == s.answer else c.strip() for i, c in enumerate(s.choices)) if s.choices else s.answer.strip()
        lines.append(f"| {task} | `{s.prompt}` | {answer} |")
    return "\n".join(lines)
