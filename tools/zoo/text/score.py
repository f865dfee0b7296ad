"""Score a folder on a task's samples with onnxruntime, as a second opinion on what the browser reports.

    python score.py public/zoo/words/sounds --samples public/zoo/words/sounds/samples --split test [--ids file] [--json]

The folder holds config.json, tokenizer.json and onnx/ (encoder_model.onnx and decoder_model_merged.onnx, or model.onnx of a
decoder or a classifier); a merged one that the lab exported will do, its weights stored as halves or not. --ids names a file with one sample id a line (or a JSON list).
"""

import argparse
import json
from pathlib import Path

from metrics import fitness, score
from runner import load
from samples import read


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("model", type=Path)
    cli.add_argument("--samples", type=Path, required=True)
    cli.add_argument("--split", default="test")
    cli.add_argument("--ids", type=Path)
    cli.add_argument("--batch", type=int, default=50)
    cli.add_argument("--json", action="store_true", help="print predictions and choice likelihoods too")
    args = cli.parse_args()

    about = json.loads((args.samples / "samples.json").read_text())
    samples = read(args.samples, args.split)
    if args.ids:
        text = args.ids.read_text()
        wanted = json.loads(text) if text.lstrip().startswith("[") else text.split()
        known = {s.id: s for s in samples}
        unknown = [i for i in wanted if i not in known]
        if unknown:
            raise SystemExit(f"{len(unknown)} ids are not in {args.split}, the first is {unknown[0]}")
        samples = [known[i] for i in wanted]
    model = load(args.model)
    out = score(model, samples, args.batch, about.get("max_new_tokens", 0), about.get("extract"))
    result = dict(task=about["task"], split=args.split, samples=len(samples), metric=about["metric"],
                  score=out.accuracy, logLikelihood=fitness(model, samples, args.batch))
    if args.json:
        result |= dict(id=[s.id for s in samples], predicted=out.predictions, correct=out.correct)
        result |= dict(choiceLikelihoods=out.choice_likelihoods) if out.choice_likelihoods else {}
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(f"{result['task']} {args.split}: {len(samples)} samples, {result['metric']} {result['score']:.4f}, "
              f"log-likelihood (1 − nats / uniform nats) {result['logLikelihood']:.6f}")


if __name__ == "__main__":
    main()
