/**
 * YAML text to plain JSON, read as mergekit's own reader reads it (YAML 1.1: `yes` is true, 010 is eight), with the place of
 * whatever is wrong. Aliases are allowed up to a bound, so that a small file cannot unfold into a large one.
 */
import { isAlias, isNode, LineCounter, parseAllDocuments, visit, type Document, type Tags } from "yaml";
import { LabError } from "../../lib/error.ts";

const MOST_CHARACTERS = 1_000_000;
const MOST_ALIASES = 1_000;
const MOST_VALUES = 200_000;

/** `file`: how messages name the text. */
export function readYaml(text: string, file: string): unknown {
  if (text.length > MOST_CHARACTERS) throw bad(`${file} is longer than a million characters, which no merge needs.`);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text.replace(/^\uFEFF/, ""), { version: "1.1", merge: true, lineCounter: lines, prettyErrors: false, customTags });
  if (!Array.isArray(documents) || documents.length === 0) throw bad(`${file} is empty.`);
  const problem = documents.flatMap(({ errors }) => errors)[0];
  if (problem) throw bad(`${file} is not YAML: ${place(lines, problem.pos[0])}, ${sentence(problem.message)}.`, problem);
  if (documents.length > 1) throw bad(`${file} holds ${documents.length} documents. A merge is one; several are mergekit-multi's, so run them one by one.`);
  const [document] = documents;
  const unresolved = document?.warnings[0];
  if (unresolved) throw bad(`${file}: ${place(lines, unresolved.pos[0])}, ${sentence(unresolved.message)}.`, unresolved);
  return document === undefined ? null : unfold(document as Document, file, lines);
}

/** The 1.1 booleans of mergekit's reader: it takes no single y or n for one. */
function customTags(tags: Tags): Tags {
  const plain = ["tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary", "tag:yaml.org,2002:omap", "tag:yaml.org,2002:pairs", "tag:yaml.org,2002:set"];
  return tags.flatMap((tag): Tags => {
    if (typeof tag === "string") return [tag];
    if (plain.includes(tag.tag)) return [];
    if (tag.tag !== "tag:yaml.org,2002:bool" || !("test" in tag) || tag.test === undefined) return [tag];
    const yes = tag.test.test("true");
    return [{ ...tag, test: yes ? /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/ : /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/ } as typeof tag];
  });
}

function unfold(document: Document, file: string, lines: LineCounter): unknown {
  // An alias that holds itself would unfold for ever.
  visit(document, {
    Alias(_, alias, path) {
      const anchor = alias.resolve(document);
      if (anchor === undefined) throw bad(`${file}: ${place(lines, alias.range?.[0])}, *${alias.source} stands for nothing: no &${alias.source} comes before it.`);
      if (path.some((above) => isNode(above) && above === anchor)) throw bad(`${file}: ${place(lines, alias.range?.[0])}, *${alias.source} holds itself.`);
    },
    Pair(_, pair) {
      if (isAlias(pair.key)) throw bad(`${file}: ${place(lines, pair.key.range?.[0])}, an alias stands for a name; write the name.`);
    },
  });
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    if (error instanceof ReferenceError) throw bad(`${file} repeats its anchors (&name, *name) so often that it would unfold into something huge; write it out.`, error);
    throw error;
  }
  let count = 0;
  const walk = (one: unknown): void => {
    if (++count > MOST_VALUES) throw bad(`${file} unfolds into more than ${MOST_VALUES / 1000},000 values, which no merge needs.`);
    if (typeof one !== "object" || one === null) return;
    if (Object.hasOwn(one, "__proto__")) throw bad(`${file} has a field __proto__, which means nothing in a merge.`);
    for (const inner of Object.values(one)) walk(inner);
  };
  walk(value);
  return value;
}

function place(lines: LineCounter, offset: number | undefined): string {
  const { line, col } = lines.linePos(offset ?? 0);
  return `line ${Math.max(line, 1)}, column ${Math.max(col, 1)}`;
}

const sentence = (message: string) => message.replace(/[.\s]+$/, "").replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());

function bad(message: string, cause?: unknown): LabError {
  return new LabError("bad-recipe", message, { cause });
}
