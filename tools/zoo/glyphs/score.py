"""Score an ONNX folder on a task's samples, as a second opinion on what the browser reports.

    python score.py public/zoo/glyphs/digits --samples public/zoo/glyphs/digits/samples --split test [--ids file]

The folder holds config.json and onnx/model.onnx (or model.onnx). --ids names a file with one sample id a line
(or a JSON list); only those are scored, in that order.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

import sheets
from data import Samples
from lifted import accuracy, log_likelihood
from settings import BATCH


def chosen(samples: Samples, ids_file: Path | None) -> Samples:
    if ids_file is None:
        return samples
    text = ids_file.read_text()
    ids = json.loads(text) if text.lstrip().startswith("[") else text.split()
    place = {name: i for i, name in enumerate(samples.id)}
    unknown = [name for name in ids if name not in place]
    if unknown:
        raise SystemExit(f"{len(unknown)} ids are not in this split, the first is {unknown[0]}")
    pick = [place[name] for name in ids]
    return Samples(samples.pixels[pick], samples.label[pick], ids, [samples.cluster[i] for i in pick])


def logits(model_dir: Path, pixels: np.ndarray, batch: int) -> np.ndarray:
    file = next((f for f in (model_dir / "onnx/model.onnx", model_dir / "model.onnx") if f.exists()), None)
    if file is None:
        raise SystemExit(f"{model_dir} holds neither onnx/model.onnx nor model.onnx")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    x = (pixels[:, None].astype(np.float32) / 255 - 0.5) / 0.5
    return np.concatenate([session.run(None, {name: x[i : i + batch]})[0] for i in range(0, len(x), batch)])


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("model", type=Path)
    cli.add_argument("--samples", type=Path, required=True)
    cli.add_argument("--split", default="test")
    cli.add_argument("--ids", type=Path)
    cli.add_argument("--batch", type=int, default=BATCH)
    cli.add_argument("--json", action="store_true", help="print logits and predictions too")
    args = cli.parse_args()

    samples = chosen(sheets.read(args.samples, args.split), args.ids)
    out = logits(args.model, samples.pixels, args.batch)
    task = json.loads((args.samples / "samples.json").read_text())
    labels = json.loads((args.model / "config.json").read_text())["id2label"]
    if [labels[str(i)] for i in range(len(labels))] != task["labels"]:
        raise SystemExit(f"{args.model} has other labels than the task {task['task']}: its head belongs elsewhere")
    result = dict(
        task=task["task"], split=args.split, samples=len(samples.label),
        accuracy=accuracy(out, samples.label), logLikelihood=log_likelihood(out, samples.label),
    )
    if args.json:
        result |= dict(id=samples.id, label=samples.label.tolist(), predicted=out.argmax(1).tolist(), logits=out.tolist())
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(f"{result['task']} {args.split}: {result['samples']} samples, "
              f"accuracy {result['accuracy']:.4f}, mean log-likelihood {result['logLikelihood']:.6f}")


if __name__ == "__main__":
    main()
