#!/usr/bin/env bash
# From nothing but Python to public/zoo/riddles. Arguments go to build.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${WORK:-$(mktemp -d)}

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r "$here/../text/requirements.txt"
"$work/venv/bin/python" "$here/build.py" --out "$root/public/zoo/riddles" "$@"
