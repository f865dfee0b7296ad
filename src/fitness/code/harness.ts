/** Python around the code. */

/** What answers often import, there before the first of them. */
export const IMPORTS = "import shutil, math, re, collections, itertools, functools, heapq, bisect, random, string, copy, operator, typing, cmath, datetime, json, decimal, fractions, statistics";

/**
 * A namespace of its own, every end of it told in a sentence, and afterwards the interpreter as it was before (modules as they were, no
 * new ones, no files). JavaScript is out of its reach.
 */
export const HARNESS = `
import builtins, os, sys, shutil
for name in [n for n in sys.modules if n.split(".")[0] in ("js", "pyodide_js", "pyodide", "_pyodide", "_pyodide_core", "micropip")]:
    sys.modules[name] = None
for name in ("js", "pyodide_js", "pyodide", "_pyodide", "_pyodide_core", "micropip"):
    sys.modules[name] = None
sys.meta_path[:] = [f for f in sys.meta_path if not type(f).__module__.startswith(("_pyodide", "pyodide"))]
sys.setrecursionlimit(1000)
HOME = "/tmp/answer"

def told(error):
    text = str(error).strip().splitlines()
    return type(error).__name__ + (": " + text[0][:200] if text else "")

def snapshot():
    return {n: (m, dict(m.__dict__)) for n, m in sys.modules.items() if hasattr(m, "__dict__")}

def restore(kept, path):
    for n in [n for n in sys.modules if n not in kept and sys.modules[n] is not None]:
        del sys.modules[n]
    for n, (m, names) in kept.items():
        sys.modules[n] = m
        now = m.__dict__
        if len(now) != len(names) or any(now.get(k) is not v for k, v in names.items()):
            now.clear()
            now.update(names)
    sys.path[:] = path

def run(code, tests):
    os.chdir("/")
    shutil.rmtree(HOME, ignore_errors=True)
    os.makedirs(HOME)
    os.chdir(HOME)
    # Not "__main__": what stands under a main guard is no part of the answer.
    space = {"__name__": "answer", "__builtins__": builtins}
    step = "its code"
    try:
        exec(compile(code, "answer.py", "exec"), space)
        for test in tests:
            step = test.strip().splitlines()[0][:200] if test.strip() else "a test"
            exec(compile(test, "test.py", "exec"), space)
        return None
    except AssertionError as error:
        return f"It fails the test {step}" if step != "its code" else f"Its code stops with {told(error)}"
    except SyntaxError as error:
        return f"It is no Python ({told(error)})" if step == "its code" else f"{step} stops with {told(error)}"
    except MemoryError:
        return "It wants more memory than it may have"
    except BaseException as error:
        return f"{'Its code' if step == 'its code' else step} stops with {told(error)}"
    finally:
        space.clear()

KEPT, PATH = None, None

def judge(code, tests):
    global KEPT, PATH
    if KEPT is None:
        KEPT, PATH = snapshot(), list(sys.path)
    try:
        return run(code, list(tests))
    finally:
        restore(KEPT, PATH)

judge
`;
