import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readOut } from "../../src/fitness/tasks/extract.ts";
import { loadTextTask } from "../../src/fitness/tasks/load.ts";
import { Columns, fill, fillEach, parseTemplate, templateProblem } from "../../src/fitness/tasks/template.ts";
import { isLabError } from "../../src/lib/error.ts";
import { rowsOf, taskOf } from "../fixtures/tasks/rows.ts";

const filled = (template: string, row: Record<string, unknown>, names = {}) => fill(parseTemplate(template), row, new Columns(Object.keys(row), names));
const each = (template: string, row: Record<string, unknown>) => fillEach(parseTemplate(template), row, new Columns(Object.keys(row)));
const thrown = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (isLabError(error)) return error.message;
    throw error;
  }
  return "";
};

describe("a template", () => {
  test("takes columns, paths into them, columns by another name, filters", () => {
    const row = { q: "Why?", n: 3, yes: true, choices: { text: ["a", "b"], label: ["A", "B"] }, "a.b": "dotted", none: null };
    expect(filled("Q: {{q}} {{ n }} {{yes}}{{none}}", row)).toBe("Q: Why? 3 true");
    expect(filled("{{choices.text.1}}{{choices.label.0}}{{a.b}}", row)).toBe("bAdotted");
    expect(filled("{{question}}", row, { question: "q" })).toBe("Why?");
    expect(filled("{{q | lower}} {{ q|trim | capitalise }}", row)).toBe("why? Why?");
    expect(filled("{{n | tenths}}", row)).toBe("3.0");
    expect(filled("{ {q} } {{{q}}", row)).toBe("{ {q} } {Why?");
    expect(filled("{{none}}", row)).toBeNull();
    expect(filled("{{choices.text.7}}", row)).toBeNull();
  });

  test("of a list stands for each of its values; lists together go in step", () => {
    const row = { choices: { text: ["a", "b"], label: ["A", "B"] }, q: "x", three: [1, 2, 3] };
    expect(each(" {{choices.text}}", row)).toEqual([" a", " b"]);
    expect(each("{{q}}: {{choices.label}}. {{choices.text}}", row)).toEqual(["x: A. a", "x: B. b"]);
    expect(each("{{q}}", row)).toEqual(["x"]);
    expect(thrown(() => each("{{three}}{{choices.text}}", row))).toMatch(/lists of different lengths \(3, 2\)/);
    expect(thrown(() => filled("{{choices}}", row))).toMatch(/names "choices", which is an object and no text; name what is in it, such as \{\{choices\.text\}\}/);
  });

  test("says what is wrong with it", () => {
    expect(templateProblem("{{}}")).toMatch(/names no column/);
    expect(templateProblem("{{a | eval}}")).toMatch(/has the filter "eval", which there is not/);
    expect(templateProblem("{{a | constructor}}")).toMatch(/filter "constructor"/);
    expect(templateProblem(`{{${"a.".repeat(30)}a}}`)).toMatch(/more than 16 steps/);
    expect(templateProblem("{{a}}".repeat(201))).toMatch(/more than 200 columns/);
    expect(templateProblem("{% for x in y %}{{a}}")).toBeNull(); // plain text here
  });

  const name = fc.oneof(fc.string({ minLength: 1, maxLength: 8 }), fc.constantFrom("__proto__", "constructor", "toString", "a.b", "hasOwnProperty"));
  const value = fc.oneof(fc.string(), fc.constantFrom("{{q}}", "{{{{q}}}}", "$&", "$1", "</script>", "\u2028", "{{a | lower}}"));

  test("puts in what a row holds as it stands, once, and nothing of the language's own", () => {
    fc.assert(fc.property(fc.dictionary(name, value, { minKeys: 1, maxKeys: 4, noNullPrototype: true }), fc.string({ maxLength: 10 }), (row, text) => {
      const between = text.replace(/[{}]/g, "");
      for (const column of Object.keys(row)) {
        // Braces end a hole, a bar begins a filter, blanks at its ends are nothing: such columns are named through `columns`.
        const all = new Columns(Object.keys(row), Object.hasOwn(row, "it") ? {} : { it: column });
        const want = row[Object.hasOwn(row, "it") ? "it" : column] ?? "";
        expect(fill(parseTemplate(`${between}{{it}}${between}`), row, all)).toBe(want.trim() === "" ? null : `${between}${want}${between}`);
      }
    }), { numRuns: 300 });
    for (const path of ["__proto__", "constructor.name", "q.length", "q.constructor", "toString"]) {
      expect(new Columns(["q"]).read(path, { q: "text" })).toBeUndefined();
    }
  });

  test("any text at all is a template or a sentence", () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom("{", "}", "|", ".", "a", " ", "q", "\n", "0") }), (text) => {
      const message = thrown(() => filled(text, { q: "x", a: ["y"] }));
      expect(message === "" || /template|names/i.test(message)).toBe(true);
    }), { numRuns: 500 });
  });
});

describe("what is read out of a text", () => {
  test.for<[string, Parameters<typeof readOut>[1], string | null]>([
    ["  Paris \n", "text", "Paris"],
    ["It is 12, no, 1,234.5.", "last_number", "1,234.5"],
    ["about −3", "last_number", "−3"],
    ["none", "last_number", null],
    ["so 3\n#### 42 ", { after: "####" }, "42"],
    ["#### 1 #### 2", { after: "####" }, "2"],
    ["42", { after: "####" }, null],
    ["B", "choice_letter", "B"],
    ["(c) because", "choice_letter", null],
    ["The answer is (c).", "choice_letter", "C"],
    ["A good one. Answer: D", "choice_letter", "D"],
    ["A. Paris", "choice_letter", "A"],
    ["A good choice is B", "choice_letter", "B"],
    ["I think it is (A)", "choice_letter", "A"],
    ["nothing", "choice_letter", null],
    ["Here:\n```python\nx = 1\n```\nDone", "code", "x = 1\n"],
    ["```\ndef f(): pass", "code", "def f(): pass"],
    ["def f(): pass", "code", "def f(): pass"],
  ])("%j by %j: %j", ([text, extract, want]) => {
    expect(readOut(text, extract)).toBe(want);
  });

  test("a judge compares numbers as numbers, letters with positions, the rest as text", async () => {
    const judge = (task: object, answer: unknown) => loadTextTask(taskOf({ kind: "generation", test: ["row-0"], ...task }), rowsOf([{ prompt: "p", answer }]), 1, null);
    const right = async (task: object, answer: unknown, text: string) => {
      const { texts, sides } = judge(task, answer);
      return (await texts.judge(text, sides.test.samples[0] ?? { prompt: "" })).right;
    };
    expect(await right({ extract: "last_number" }, "so 1,000", "it is 1000.0")).toBe(true);
    expect(await right({ extract: "last_number" }, 7, "7 or 8")).toBe(false);
    expect(await right({ extract: "choice_letter" }, 2, "The answer is C")).toBe(true);
    expect(await right({ extract: "choice_letter" }, "C", "C.")).toBe(true);
    expect(await right({}, "007", "7")).toBe(false);
    expect(await right({ ignore: ["case", "punctuation"] }, "U.S.A.", "usa")).toBe(true);
    expect(await right({}, "e\u0301", "é")).toBe(true); // composed alike
    expect(await right({ labels: ["no", "yes"] }, 1, "yes")).toBe(true);
  });
});
