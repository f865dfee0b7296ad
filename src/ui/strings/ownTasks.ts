/** What the page says about tasks of one's own: samples, their columns, how a model is asked. */
const plural = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export const ownTasks = {
  title: "Tasks",
  sub: "What is scored: rows of texts, or pictures in a folder for each class. A search sees some of them, the test is on others.",
  add: { dataset: "A data set on the Hub", preset: "A benchmark", file: "A file: JSONL or CSV", pictures: "A folder of pictures" },
  drop: "Files and folders of pictures can be dropped here too.",
  removeOne: (n: number) => `Remove task ${n}`,
  task: (n: number) => `Task ${n}`,
  head: "with the head of",
  dataset: "data set", datasetHint: "owner/name", config: "config", split: "split", either: "the usual one",
  preset: "benchmark", choosePreset: "choose one",
  show: "Show rows", showing: "Reading rows…",
  rows: (n: number | null) => (n === null ? "" : plural(n, "row")),
  noColumns: "Its rows have no columns.",
  kind: "asks for",
  kinds: {
    classification: "a class", regression: "a number", multiple_choice: "one of several answers", generation: "a text", code: "a program", likelihood: "how likely a text is",
  } as Readonly<Record<string, string>>,
  metric: "scored by", usual: (title: string) => `${title} (usual)`,
  roles: { prompt: "the model reads", pair: "and as second text", choices: "choices", answer: "right answer" } as Readonly<Record<string, string>>,
  roleHint: "Text with {{column}} in it",
  none: "nothing", other: "a template…",
  insert: (column: string) => `Put ${column} in`,
  fewShot: "worked examples before each",
  extract: "what counts of the text",
  extracts: { "": "all of it", last_number: "its last number", choice_letter: "a letter, A to Z", after: "what stands behind" } as Readonly<Record<string, string>>,
  marker: "marker",
  seen: "the search sees", tested: "tested on",
  preview: "First rows, as a model reads them",
  answerIs: "answer",
  problems: {
    noDataset: "Name a data set.",
    noPreset: "Choose a benchmark.",
    noFile: "Choose a file, or drop one here.",
    tooFew: (rows: number, asked: number) => `There are ${plural(rows, "row")}, but ${asked.toLocaleString("en")} are asked for: lower one of the counts.`,
  },
} as const;
