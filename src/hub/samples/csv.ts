/** CSV with names in its first line. Every value is text; quoted ones may hold delimiters, quotes and line breaks (RFC 4180). */
import Papa from "papaparse";
import { LabError } from "../../lib/error.ts";
import { list, show } from "../../lib/words.ts";
import type { Row } from "./rows.ts";

/** `delimiter` empty: comma, semicolon or tab, whichever the first lines show. */
export function csvRows(text: string, file: string, delimiter: "\t" | ""): Row[] {
  const { data, errors } = Papa.parse<string[]>(text.replace(/^\uFEFF/, ""), { delimiter, delimitersToGuess: [",", ";", "\t"], skipEmptyLines: "greedy" });
  const wrong = errors.find(({ code }) => code !== "UndetectableDelimiter"); // one column has none
  if (wrong) throw new LabError("bad-samples", `${file} is not valid CSV: ${wrong.message.toLowerCase()} in row ${(wrong.row ?? 0) + 1}.`);
  const [names = [], ...lines] = data.map((line) => line.map(String));
  const columns = names.map((name) => name.trim());
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined) throw new LabError("bad-samples", `${file} has the column ${show(twice)} twice in its first line; names must differ.`);
  return lines.map((line, i) => {
    if (line.length > columns.length) {
      throw new LabError("bad-samples", `Row ${i + 2} of ${file} has ${line.length} values for ${columns.length} columns (${list(columns.slice(0, 6).map((name) => name.slice(0, 40)))}${columns.length > 6 ? " …" : ""}). Put values with ${delimiter === "\t" ? "tabs" : "commas"} in them into quotes.`);
    }
    return Object.fromEntries(line.map((value, at) => [columns[at] ?? "", value]));
  });
}
