"""Wall-clock, processor time and peak memory of a whole `mergekit-yaml` process, for linear and TIES on the models of synthetic.py.

    python tools/parity/time_mergekit.py small-float32 small-bfloat16 [--repeats 2] [--root DIR]
    python tools/parity/time_mergekit.py large-bfloat16 --method ties

Memory is PSS over the process tree, sampled from /proc: all of it, and the anonymous part (what is not a mapped file, which
the system may drop again). `-- COMMAND …` measures any other command in the same way.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthetic import DEFAULT

EXPERTS = ("a", "b", "c")
RECIPES = {
    "linear": "merge_method: linear\nmodels:\n" + "".join(f"  - model: {m}\n    parameters: {{weight: 1.0}}\n" for m in EXPERTS),
    "ties": "merge_method: ties\nbase_model: base\nmodels:\n"
    + "".join(f"  - model: {m}\n    parameters: {{weight: 1.0, density: 0.2}}\n" for m in EXPERTS),
}


def tree(root):
    """The process and all that come from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except (OSError, IndexError):
                pass  # it ended while we looked
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def pss(pid):
    """(all, anonymous) in MB."""
    try:
        rows = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        return tuple(int(rows[key].split()[0]) / 1024 for key in ("Pss", "Pss_Anon"))
    except (OSError, KeyError, ValueError):
        return (0, 0)


def measure(command, cwd=None, every_s=0.2):
    """Seconds, processor seconds, peak PSS, peak anonymous PSS, exit code."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    errors = tempfile.TemporaryFile()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    peak = peak_anonymous = 0.0
    while process.poll() is None:
        sizes = [pss(pid) for pid in tree(process.pid)]
        peak = max(peak, sum(size for size, _ in sizes))
        peak_anonymous = max(peak_anonymous, sum(size for _, size in sizes))
        time.sleep(every_s)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        errors.seek(0)
        sys.stderr.write(errors.read().decode()[-500:])
    return seconds, processor, peak, peak_anonymous, process.returncode


def main():
    own, other = (sys.argv[1:], []) if "--" not in sys.argv else (sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--method", action="append", choices=list(RECIPES))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--root", type=Path, default=DEFAULT)
    options = parser.parse_args(own)
    if other:
        seconds, processor, peak, anonymous, code = measure(other)
        print(f"{seconds:.1f} s ({processor:.1f} s of processor), peak {peak:.0f} MB, anonymous {anonymous:.0f} MB, exit {code}")
        return
    command = Path(sys.executable).parent / "mergekit-yaml"
    for family in options.families:
        for method in options.method or RECIPES:
            for _ in range(options.repeats):
                with tempfile.TemporaryDirectory(dir=options.root) as work:
                    recipe, out = Path(work) / "recipe.yml", Path(work) / "out"
                    recipe.write_text(RECIPES[method])
                    seconds, processor, peak, anonymous, code = measure(
                        [str(command), str(recipe), str(out), "--quiet", "--no-write-model-card", "--no-copy-tokenizer"], cwd=options.root / family
                    )
                    written = sum(f.stat().st_size for f in out.glob("*.safetensors")) / 2**20
                    print(f"{family} {method}: {seconds:.1f} s ({processor:.1f} s of processor), peak {peak:.0f} MB, anonymous {anonymous:.0f} MB, wrote {written:.0f} MB, exit {code}", flush=True)
                    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
