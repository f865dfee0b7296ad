/** Parameters of a configuration, sorted by whom they belong to, their values in the type that the method takes. */
import { list, nearest, show } from "../../lib/words.ts";
import { METHOD_NAMES, methodSpec } from "../../methods/fields.ts";
import { isInert } from "../../methods/runs.ts";
import type { MethodSpec, ParameterSpec } from "../../methods/spec.ts";
import { OURS } from "./ours.ts";
import { isConditionals, type Conditional, type Scalar, type Setting } from "../../lib/settings.ts";
import type { Parameters } from "./config.ts";

export type Value = number | boolean;
export type Settings = Record<string, Setting<Value>>;

export interface Warning {
  readonly code: "changes-nothing" | "not-mergekit";
  readonly message: string;
}

export class ParameterReader {
  readonly #spec: MethodSpec;
  readonly #problems: string[];
  readonly #said = new Map<string, string>();

  constructor(spec: MethodSpec, problems: string[]) {
    this.#spec = spec;
    this.#problems = problems;
  }

  /** `ofModel`: written at one model, where mergekit reads only what belongs to each model. */
  read(written: Parameters, where: string, ofModel: boolean): { shared: Settings; each: Settings } {
    const [shared, each]: [Settings, Settings] = [{}, {}];
    for (const [name, setting] of Object.entries(written)) {
      const path = `${where}.${name}`;
      const own = specIn(this.#spec.perModel, name);
      const whole = specIn(this.#spec.whole, name);
      if (own === undefined && whole === undefined) this.#unknown(name, path);
      else if (own === undefined && ofModel) this.#inert(name, `${path} belongs to the whole merge and says nothing at one model; mergekit passes over it too.`);
      else {
        const spec = own ?? (whole as ParameterSpec);
        if (isInert(this.#spec.name, name)) this.#inert(name, `${path} changes nothing in ${this.#spec.name}.`);
        else if (!Array.isArray(setting) || setting.length > 0) (own ? each : shared)[name] = this.#typed(setting, spec, path);
      }
    }
    return { shared, each };
  }

  get warnings(): Warning[] {
    return [...this.#said.values()].map((message) => ({ code: "changes-nothing", message }));
  }

  #inert(name: string, message: string): void {
    if (!this.#said.has(name)) this.#said.set(name, message);
  }

  #unknown(name: string, path: string): void {
    const { name: method, perModel, whole } = this.#spec;
    const takers = METHOD_NAMES.filter((other) => specIn(methodSpec(other).perModel, name) ?? specIn(methodSpec(other).whole, name));
    if (takers.length > 0) return this.#inert(name, `${path} belongs to ${list(takers.slice(0, 4))}${takers.length > 4 ? " and others" : ""}; it changes nothing in ${method}.`);
    const known = [...Object.keys(perModel), ...Object.keys(whole)].filter((one) => !OURS.parameters.includes(one));
    const near = nearest(name, known);
    this.#problems.push(`${path.split(".").slice(0, -1).join(".")}.${show(name).slice(1, -1)} is no parameter of ${method}${near !== null ? `; did you mean ${near}?` : known.length > 0 ? `; it takes ${list(known)}.` : ", which takes none."}`);
  }

  #typed(setting: Setting<Scalar>, spec: ParameterSpec, path: string): Setting<Value> {
    const scalar = (value: Scalar) => this.#scalar(value, spec, path);
    if (!Array.isArray(setting)) return scalar(setting as Scalar);
    if (!isConditionals(setting as Setting<Scalar>)) return (setting as readonly Scalar[]).map(scalar);
    return (setting as readonly Conditional<Scalar>[]).map(({ value, ...filter }) => ({ ...filter, value: Array.isArray(value) ? value.map(scalar) : scalar(value as Scalar) }));
  }

  /** As mergekit reads it: numbers may be written as text, true as 1, and a switch as 1 or "yes". */
  #scalar(value: Scalar, { kind, field }: ParameterSpec, path: string): Value {
    if (kind === "boolean") {
      const known = typeof value === "string" ? SWITCHES[value.toLowerCase()] : value === true || value === 1 ? true : value === false || value === 0 ? false : undefined;
      if (known === undefined) this.#problem(path, `must be true or false, not ${show(value)}.`);
      return known ?? false;
    }
    const number = typeof value === "string" && value.trim() !== "" ? Number(value.trim().replace(/(?<=\d)_(?=\d)/g, "")) : typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : NaN;
    const parsed = field.safeParse(Number.isNaN(number) ? value : number, { reportInput: true });
    if (!parsed.success) this.#problem(path, `${parsed.error.issues[0]?.message ?? "is not valid"}.`);
    return number;
  }

  #problem(path: string, predicate: string): void {
    if (!this.#problems.some((one) => one.startsWith(`${path} `))) this.#problems.push(`${path} ${predicate}`);
  }
}

function specIn(specs: Readonly<Record<string, ParameterSpec>>, name: string): ParameterSpec | undefined {
  return Object.hasOwn(specs, name) && !OURS.parameters.includes(name) ? specs[name] : undefined;
}

const SWITCHES: Readonly<Record<string, boolean>> = {
  true: true, t: true, yes: true, y: true, on: true, 1: true, false: false, f: false, no: false, n: false, off: false, 0: false,
};
