/** Generated code in its own thread, in a real browser: it runs, it fails, it does its worst, and the next answer is judged all the same. */
import { afterAll, describe, expect, test } from "vitest";
import { codeRunner, CodeRunner } from "../../src/fitness/code/runner.ts";
import { loadTextTask } from "../../src/fitness/tasks/load.ts";
import { rowsOf, taskOf } from "../fixtures/tasks/rows.ts";

const runner = new CodeRunner({ ms: 2000 });
afterAll(() => runner.close());
const run = (code: string, ...tests: string[]) => runner.run(code, tests);
const good = ["def add(a, b):\n    return a + b", "assert add(1, 2) == 3"] as const;

test("code is right when all its tests run through", async () => {
  expect(await run(good[0], good[1], "assert add('a', 'b') == 'ab'")).toEqual({ passed: true, reason: "passed" });
  expect(await run(good[0], "assert add(1, 2) == 4")).toEqual({ passed: false, reason: "It fails the test assert add(1, 2) == 4" });
  expect(await run("import math, re, collections, itertools, heapq\ndef f(n):\n    return [math.gcd(n, 4), re.sub('a', 'b', 'aa'), collections.Counter('aab')['a']]", "assert f(6) == [2, 'bb', 2]")).toMatchObject({ passed: true });
});

// Each is a wrong answer with a reason, and the run goes on.
test.for<[string, string, RegExp]>([
  ["an exception", "raise ValueError('no')", /^Its code stops with ValueError: no$/],
  ["a name that is not there", "def add(a, b):\n    return c", /^assert add\(1, 2\) == 3 stops with NameError: name 'c' is not defined/],
  ["no Python", "Sure! Here is the code:", /^It is no Python \(SyntaxError/],
  ["an endless loop", "while True:\n    pass", /^It does not end within 2 s$/],
  ["one that catches everything", "while True:\n    try:\n        while True: pass\n    except BaseException: pass", /^It does not end within 2 s$/],
  ["memory without end", "a = []\nwhile True:\n    a.append(bytearray(10_000_000))", /^It wants more memory than it may have$/],
  ["endless recursion", "def f(n):\n    return f(n + 1)\nf(0)", /^Its code stops with RecursionError|too deep/],
  ["an exit", "import sys\nsys.exit(0)", /^Its code stops with SystemExit: 0$/],
  ["a hard exit", "import os\nos._exit(0)", /./],
  ["input", "x = input()", /^Its code stops with (EOFError|OSError)/],
  ["another site", "import socket\nsocket.create_connection(('localhost', 80), 1)", /^Its code stops with \w*Error/],
  ["JavaScript", "import js\njs.fetch('/')", /^Its code stops with ModuleNotFoundError: import of js halted/],
  ["JavaScript by another way", "from pyodide.code import run_js\nrun_js('1')", /^Its code stops with ModuleNotFoundError/],
  ["a thread", "import threading\nt = threading.Thread(target=lambda: None)\nt.start()", /^Its code stops with RuntimeError/],
])("%s", async ([, code, reason]) => {
  const verdict = await run(code, good[1]);
  expect(verdict.passed).toBe(false);
  expect(verdict.reason).toMatch(reason);
  expect(await run(...good)).toMatchObject({ passed: true });
});

test("a task of code is judged by it: the last fenced block, after the set-up, against the row's tests", async () => {
  const rows = rowsOf([{ text: "Add.", test_setup_code: "import math", test_list: ["assert add(1, 2) == 3", "assert add(0, math.pi) > 3"], code: good[0] }]);
  const { texts, sides } = loadTextTask(taskOf({ kind: "code", prompt: "{{text}}", answer: "{{code}}", tests: ["{{test_setup_code}}", "{{test_list}}"], test: ["row-0"] }), rows, 1, null);
  const judged = (text: string) => texts.judge(text, sides.test.samples[0] ?? { prompt: "" });
  expect(await judged(`Like this:\n\`\`\`python\n${good[0]}\n\`\`\`\nDone.`)).toEqual({ right: true, read: "passed" });
  expect(await judged("def add(a, b): return 3")).toEqual({ right: false, read: "It fails the test assert add(0, math.pi) > 3" });
  expect(await judged("  ")).toEqual({ right: false, read: "It is empty" });
  codeRunner().close();
});

describe("one answer leaves the next alone", () => {
  test("names, builtins, modules, files", async () => {
    expect(await run("import builtins, math, os\nleft = 1\nbuiltins.len = lambda x: 7\nmath.sqrt = lambda x: 7\nopen('note', 'w').write('x')", "assert len([]) == 7")).toMatchObject({ passed: true });
    expect(await run("import math, os", "assert 'left' not in globals() and len([]) == 0 and math.sqrt(4) == 2 and not os.path.exists('note')")).toEqual({ passed: true, reason: "passed" });
  });
});
