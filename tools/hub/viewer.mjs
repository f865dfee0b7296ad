/**
 * The dataset viewer, on an origin of its own: rows of JSON Lines, JSON and CSV files, 100 at a time. `split.jsonl` or `data/split.jsonl` is a split of the
 * config "default"; `config/split.jsonl` one of that config. `.hub.json` may give columns a type: `"features": { "label": { "names": ["no", "yes"] } }`.
 */
import { readFileSync } from "node:fs";
import { Refusal } from "./answer.mjs";

const lengthMax = 100;
const splitFile = /^(?:(?<config>[^/]+)\/)?(?<split>[\w.-]+)\.(?<kind>jsonl|json|csv)$/;

export function viewerRoutes({ access, repositories }) {
  async function open(answer) {
    const id = needed(answer, "dataset");
    const repository = repositories.find("dataset", id);
    if (!repository) throw new Refusal(access.token(answer) === null ? 401 : 404, "The dataset does not exist, or is not accessible without authentication (private or gated). Please check the spelling of the dataset name or retry with authentication.", "ExternalUnauthenticatedError");
    access.check(answer, repository, { files: true });
    const { entries, commit } = await repositories.at(repository, "main");
    const splits = entries.flatMap((entry) => {
      const { config, split, kind } = splitFile.exec(entry.path)?.groups ?? {};
      return split ? [{ config: config === undefined || config === "data" ? "default" : config, split, kind, file: entry.file }] : [];
    });
    return { id, commit, splits, settings: repository.settings };
  }

  async function find(answer) {
    const { id, commit, splits, settings } = await open(answer);
    const [config, split] = [needed(answer, "config"), needed(answer, "split")];
    const found = splits.find((one) => one.config === config && one.split === split);
    if (!found) throw new Refusal(404, "Not found.", splits.some((one) => one.config === config) ? "SplitNotFoundError" : "ConfigNotFoundError");
    const rows = readRows(found);
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const features = names.map((name, feature_idx) => ({ feature_idx, name, type: settings.features?.[name] ? { _type: "ClassLabel", ...settings.features[name] } : typeOf(rows.find((row) => row[name] !== null && row[name] !== undefined)?.[name]) }));
    return { id, commit, config, split, rows, features, names };
  }

  const page = ({ rows, names }, offset, length) =>
    rows.slice(offset, offset + length).map((row, i) => ({ row_idx: offset + i, row: Object.fromEntries(names.map((name) => [name, row[name] ?? null])), truncated_cells: [] }));

  const routes = {
    async "is-valid"(answer) {
      const { splits } = await open(answer);
      answer.json({ preview: splits.length > 0, viewer: splits.length > 0, search: false, filter: false, statistics: false });
    },
    async splits(answer) {
      const { id, commit, splits } = await open(answer);
      answer.json({ splits: splits.map(({ config, split }) => ({ dataset: id, config, split })), pending: [], failed: [] }, { "X-Revision": commit });
    },
    async rows(answer) {
      const [offset, length] = [whole(answer, "offset", 0), whole(answer, "length", lengthMax)];
      if (length > lengthMax) throw new Refusal(422, `Parameter 'length' must not be greater than ${lengthMax}`, "InvalidParameter");
      const found = await find(answer);
      answer.json({ features: found.features, rows: page(found, offset, length), num_rows_total: found.rows.length, num_rows_per_page: lengthMax, partial: false }, { "X-Revision": found.commit });
    },
    async "first-rows"(answer) {
      const found = await find(answer);
      const { id, config, split, features } = found;
      answer.json({ dataset: id, config, split, features, rows: page(found, 0, lengthMax), truncated: found.rows.length > lengthMax }, { "X-Revision": found.commit });
    },
  };
  return Object.entries(routes).map(([name, handle]) => ({ method: "GET", pattern: new RegExp(`^/${name}$`), handle }));
}

function needed(answer, name) {
  const value = answer.query.get(name);
  if (!value) throw new Refusal(422, `Parameter '${name}' is required`, "MissingRequiredParameter");
  return value;
}

function whole(answer, name, otherwise) {
  const value = Number(answer.query.get(name) ?? otherwise);
  if (!Number.isInteger(value) || value < 0) throw new Refusal(422, `Parameter '${name}' must be a whole number, not negative`, "InvalidParameter");
  return value;
}

function readRows({ file, kind }) {
  const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  if (kind === "jsonl") return text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  if (kind === "json") return JSON.parse(text);
  const [names = [], ...lines] = csv(text);
  return lines.map((line) => Object.fromEntries(names.map((name, i) => [name, number(line[i] ?? "")])));
}

/** RFC 4180: quoted fields may hold commas, quotes (doubled) and line breaks. */
function csv(text) {
  const lines = [];
  let line = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (end === "" && line.length === 0 && !quoted && !plain) break;
    line.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    lines.push(line);
    line = [];
    if (end === "") break;
  }
  return lines;
}

const number = (text) => (text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : text);

function typeOf(value) {
  if (Array.isArray(value)) return { feature: typeOf(value[0]), _type: "List" };
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typeOf(one)]));
  const dtype = typeof value === "boolean" ? "bool" : typeof value === "number" ? (Number.isInteger(value) ? "int64" : "float64") : "string";
  return { dtype, _type: "Value" };
}
