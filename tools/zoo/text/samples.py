"""A sample asks for text, or for a choice among texts. Sets of them are JSONL: one sample a line, as README.md says."""

import json
from dataclasses import dataclass
from pathlib import Path

MEASURED_SPLITS = ("optimise", "validate", "test")


@dataclass(frozen=True)
class Sample:
    id: str  # unique in its task
    prompt: str
    answer: str | int  # the text, or which of the choices or labels
    choices: tuple[str, ...] | None = None
    source: str = ""  # what it was made of; samples of one source may be drawn together in an interval

    @property
    def text(self) -> str:
        """The answer, spelt out."""
        return self.choices[self.answer] if self.choices else self.answer


Split = list[Sample]


def write(folder: Path, task: str, kind: str, metric: str, longest: int, splits: dict[str, Split], **more) -> None:
    """`<task>.jsonl` and `samples.json`, which says what the lines mean."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            dict(id=s.id, split=split, prompt=s.prompt)
            | (dict(choices=s.choices) if s.choices else {})
            | dict(answer=s.answer, source=s.source),
            ensure_ascii=False,
        )
        for split in MEASURED_SPLITS for s in splits[split]
    ]
    (folder / f"{task}.jsonl").write_text("\n".join(lines) + "\n")
    about = dict(
        samples=1, task=task, kind=kind, metric=metric, file=f"{task}.jsonl", max_new_tokens=longest, **more,
        splits={split: dict(count=len(splits[split])) for split in MEASURED_SPLITS},
    )
    (folder / "samples.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


def read(folder: Path, split: str) -> Split:
    about = json.loads((folder / "samples.json").read_text())
    rows = [json.loads(line) for line in (folder / about["file"]).read_text().splitlines()]
    ask, tell = ("text", "label") if about["kind"] == "text_classification" else ("prompt", "answer")
    return [
        Sample(r["id"], r[ask], r[tell], tuple(r["choices"]) if "choices" in r else None, r["source"])
        for r in rows if r["split"] == split
    ]
