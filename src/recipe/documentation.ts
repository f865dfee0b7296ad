/** The fields of a JSON Schema, and the presets, as Markdown tables: docs/recipe.md and docs/tasks.md are held against them by tests. */
import { PRESETS } from "../fitness/tasks/presets/table.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** One line a field, nested ones by path; `[]` is an item of a list, `*` any name. Fields in `without` are not followed. */
export function fieldTable(schema: Record<string, unknown>, without: readonly string[] = []): string {
  const lines = new Map<string, string>();
  walk(schema as Schema, "", lines, without);
  return ["| field | what it takes | unless given | what it is |", "|---|---|---|---|", ...lines.values()].join("\n");
}

/**
 * The recipe's: what every merge takes stands once, under `{any merge}`; comparisons and starting points take what merges take; how
 * a parameter varies stands once, at the experts' weight.
 */
export function recipeTable(schema: Record<string, unknown>): string {
  const [head = "", rule = "", ...lines] = fieldTable(schema, ["compare"]).split("\n");
  const seen = new Set<string>();
  return [head, rule, ...lines.flatMap((line) => {
    if (/\[\]\.(filter|value)`/.test(line) && !line.includes("`experts[].parameters.weight[]")) return [];
    if (/`runs\[\]\{pso_merging\}\.start\[\]\{\w+\}/.test(line)) return []; // the fields of that method's run
    const shared = line.replace(/`runs\[\]\{(?!pso_merging|random)\w+\}\.\w+\.(tune|evaluations)`/, "`runs[]{any merge}.{a number}.$1`").replace(/`runs\[\]\{\w+\}\.(semantics|models|base_model|weights|slices)(?=[.[`])/, "`runs[]{any merge}.$1").replace(/(`runs\[\]\{any merge\}\.slices\[\](?:\.sources\[\])?\.parameters)\.\w+`.*/, "");
    if (shared === "" || !shared.startsWith("| `") || !/` \|/.test(shared)) return [];
    const path = shared.split("`")[1] ?? "";
    if (seen.has(path)) return [];
    seen.add(path);
    return [shared];
  })].join("\n");
}

/** One line a benchmark. */
export function presetTable(): string {
  const lines = Object.entries(PRESETS).map(([name, { about, source, fields }]) => {
    const rows = source ? `\`${[source.dataset, source.config, source.split].filter(Boolean).join(" ")}\`${source.shots ? `, examples from \`${source.shots}\`` : ""}` : "a file of yours";
    return `| \`${name}\` | ${about} | ${fields.metric} | ${rows} |`;
  });
  return ["| preset | what is asked | metric | rows |", "|---|---|---|---|", ...lines].join("\n");
}

function walk(schema: Schema, path: string, lines: Map<string, string>, without: readonly string[]): void {
  for (const branch of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) walk(branch, branchPath(path, branch), lines, without);
  if (schema.items) walk(schema.items, `${path}[]`, lines, without);
  if (typeof schema.additionalProperties === "object") walk(schema.additionalProperties, `${path}.*`, lines, without);
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const at = path === "" ? name : `${path}.${name}`;
    if (path.endsWith("}") && "const" in field) continue; // already said by the braces
    lines.set(at, line(at, field, schema.required?.includes(name) ?? false));
    if (!without.includes(at)) walk(field, at, lines, without);
  }
}

/** Methods are told apart in the path: `runs[]{pso_merging}.steps`. */
function branchPath(path: string, branch: Schema): string {
  const method = branch.properties?.method?.const ?? branch.properties?.kind?.const;
  return method === undefined ? path : `${path}{${String(method)}}`;
}

function line(path: string, field: Schema, required: boolean): string {
  const unlessGiven = field.default === undefined ? (required ? "required" : "") : `\`${JSON.stringify(field.default)}\``;
  return `| \`${path}\` | ${takes(field)} | ${unlessGiven} | ${field.description ?? ""} |`.replaceAll("  ", " ");
}

function takes(field: Schema): string {
  if ("const" in field) return `\`${JSON.stringify(field.const)}\``;
  if (field.enum) return field.enum.map((one) => `\`${String(one)}\``).join(", ");
  const branches = [...(field.anyOf ?? []), ...(field.oneOf ?? [])];
  if (branches.length > 0) return [...new Set(branches.map(takes))].join(" or ");
  if (field.type === "array") return field.prefixItems ? `list of ${field.prefixItems.length}` : "list";
  return { integer: "whole number", number: "number", string: "text", boolean: "true or false", object: "object", null: "null" }[field.type ?? ""] ?? "anything";
}
