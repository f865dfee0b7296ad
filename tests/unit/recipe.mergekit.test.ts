/** mergekit's YAML: what it means as a recipe, what is refused and how that is said, and that writing it back loses nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLabError } from "../../src/lib/error.ts";
import { type Conditional, layered, settle, settleFirst, type Setting } from "../../src/lib/settings.ts";
import { METHOD_NAMES, methodSpec } from "../../src/methods/fields.ts";
import { isInert, type MergeRun } from "../../src/methods/runs.ts";
import { readMergekit } from "../../src/recipe/mergekit/read.ts";
import { mergekitProblem, toMergekitYaml, yamlOf } from "../../src/recipe/mergekit/write.ts";
import { readYaml } from "../../src/recipe/mergekit/yaml.ts";
import { slicesOf } from "../../src/recipe/plan/sources.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";

const read = (yaml: string) => readMergekit(yaml, { file: "c.yml", exists: (path) => ["base", "a", "b", "c"].includes(path) });
const recipeOf = (yaml: string) => parseRecipe(read(yaml).recipe);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isLabError(error, "bad-recipe")) return error.message;
    throw error;
  }
  return "nothing was refused";
}

const TIES = `
merge_method: ties
base_model: base
models:
  - {model: a, parameters: {weight: 1, density: 0.2}}
  - {model: b, parameters: {weight: [0, 1]}}
`;

describe("a mergekit file as a recipe", () => {
  test("keeps names and forms; what belongs to each model stands at the model", () => {
    expect(recipeOf(`${TIES}parameters: {normalize: no, density: [{filter: mlp, value: [0.1, 0.9]}, {value: 0.5}]}\ndtype: torch.bfloat16\n`)).toMatchObject({
      base: { model: "./base" }, tasks: [], dtype: "bfloat16", out_dtype: "bfloat16", export: "ties",
      experts: [
        { id: "a", model: "./a", parameters: { weight: 1, density: 0.2 } },
        { id: "b", model: "./b", parameters: { weight: [0, 1], density: [{ filter: "mlp", value: [0.1, 0.9] }, { value: 0.5 }] } },
      ],
      // An unlisted base is the last input, as in mergekit.
      runs: [{ id: "ties", method: "ties", semantics: "mergekit", rescaling: "l1", scope: "tensor", normalize: false, lambda: 1, base_model: "base", models: ["a", "b", "base"] }],
    });
  });

  test("without a base, whose config the result has is the first model's", () => {
    const recipe = recipeOf("merge_method: linear\nmodels: [{model: b, parameters: {weight: 2}}, {model: owner/name@main, parameters: {weight: 1}}]");
    expect(recipe).toMatchObject({ base: { model: "./b" }, out_dtype: "auto", experts: [{ id: "b" }, { id: "name", model: "owner/name@main" }], runs: [{ base_model: null }] });
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  });

  test("the one module of a model in one piece is the model; a name is a title", () => {
    const nested = TIES.replace(/models:\n(?<models>(.*\n)*)/, (_, models: string) => `modules:\n  default:\n    parameters: {density: 0.7}\n    models:\n${models.replace(/^/gm, "    ")}\n`);
    expect(recipeOf(`${nested}parameters: {density: 0.1, lambda: 0.9}\nname: both\n`)).toEqual({ ...recipeOf(`${TIES}parameters: {density: 0.7, lambda: 0.9}`), title: "both" });
  });

  test("mergekit's lambda is 1 also in task_arithmetic, where a recipe's own is 0.3", () => {
    expect(recipeOf(TIES.replace("ties", "task_arithmetic")).runs[0]).toMatchObject({ lambda: 1 });
    expect(recipeOf(`${TIES.replace("ties", "task_arithmetic")}parameters: {lambda: 0.5}`).runs[0]).toMatchObject({ lambda: 0.5 });
  });

  test("values are read as leniently as mergekit reads them", () => {
    const recipe = recipeOf(`${TIES}parameters: {lambda: "1e-1", normalize: 0, rescale: "yes"}`);
    expect(recipe.runs[0]).toMatchObject({ lambda: 0.1, normalize: false, rescale: true });
    expect(recipeOf(TIES.replace("0.2", "true")).experts[0]).toMatchObject({ parameters: { density: 1 } });
  });

  test("one model's layers stacked anew", () => {
    const recipe = recipeOf("merge_method: passthrough\nbase_model: a\nslices:\n- sources: [{model: a, layer_range: [0, 2]}]\n- sources: [{model: a, layer_range: [1, 3], parameters: {scale: 0.5}}]");
    expect(recipe.runs[0]).toMatchObject({ base_model: null, slices: [{ sources: [{ model: "a" }] }, { sources: [{ model: "a", layer_range: [1, 3], parameters: { scale: 0.5 } }] }] });
  });

  test("ids are told apart, and never those that mean something", () => {
    const recipe = recipeOf("merge_method: linear\nmodels: [{model: ./x/base}, {model: ./y/base}, {model: ./z/union}, {model: ./Ä b.c}, {model: ./linear}]\nparameters: {weight: 1}");
    expect(recipe.experts.map(({ id }) => id)).toEqual(["base-2", "base-3", "union-2", "b-c", "linear-2"]);
  });

  test("adapters and long forms of a model", () => {
    const recipe = recipeOf('merge_method: linear\nmodels: [{model: owner/m+other/lora}, {model: {model: {path: owner/m, revision: v1}, lora: {path: other/lora}}}, {model: {model: {path: "./a+b"}}}]\nparameters: {weight: 1}');
    expect(recipe.experts.map(({ model }) => model)).toEqual(["owner/m+other/lora", "owner/m@v1+other/lora", "./a+b"]);
  });

  test("what changes nothing is accepted and said once", () => {
    const { warnings } = read(`${TIES.replaceAll("weight: 1", "weight: 1, t: 3, normalize: true")}parameters: {int8_mask: true, select_topk: 0.5}`);
    expect(warnings.map(({ message }) => message)).toEqual([
      "parameters.int8_mask changes nothing in ties.",
      "parameters.select_topk belongs to sce; it changes nothing in ties.",
      "models.0.parameters.t belongs to slerp and nearswap; it changes nothing in ties.",
      "models.0.parameters.normalize belongs to the whole merge and says nothing at one model; mergekit passes over it too.",
    ]);
  });

  test("tokens", () => {
    const recipe = recipeOf(`${TIES}tokenizer:\n  source: b\n  pad_to_multiple_of: 8\n  tokens:\n    <x>: {source: a, force: true}\n    <y>: {source: {kind: zero}}\n    <z>: {source: {kind: model_token, model: base, token_id: 3}}`);
    expect(recipe.tokenizer).toEqual({ source: "b", pad_to_multiple_of: 8, tokens: { "<x>": { source: "a", force: true }, "<y>": { source: { kind: "zero" }, force: false }, "<z>": { source: { kind: "model_token", model: "base", token_id: 3 }, force: false } } });
    expect(recipeOf(`${TIES}tokenizer_source: other/model`).tokenizer_source).toBe("other/model");
  });
});

describe("refused", () => {
  test.for<[string, string, RegExp]>([
    ["broken YAML", "merge_method: ties\nmodels: [a, {b", /c\.yml is not YAML: line 2, column \d+, /],
    ["a tab", "models:\n\t- x", /line 2, column 1, tabs are not allowed/],
    ["a name twice", "merge_method: ties\nmerge_method: slerp", /line 2, column 1, map keys must be unique/],
    ["a tag of Python", "merge_method: !!python/object/apply:os.system [x]", /line 1, column 15, unresolved tag/],
    ["an alias of nothing", "merge_method: *x", /line 1, column 15, \*x stands for nothing/],
    ["an alias that holds itself", "models: &m [*m]", /\*m holds itself/],
    ["a billion laughs", `${Array.from({ length: 10 }, (_, i) => `l${i}: &l${i} [${Array(10).fill(i === 0 ? "ha" : `*l${i - 1}`).join(", ")}]`).join("\n")}`, /unfold into something huge/],
    ["two documents", "merge_method: ties\n---\nmerge_method: slerp", /holds 2 documents/],
    ["nothing", "", /is empty/],
    ["a list", "- merge_method: ties", /is a list/],
    ["a prototype", `${TIES}tokenizer: {tokens: {__proto__: {source: a}}}`, /has a field __proto__/],
    ["another program's file", "merge_method: linear\ngate_mode: hidden\nexperts: []", /gate_mode belongs to mergekit-moe.*\nexperts belongs to mergekit-moe/],
    ["modules", "merge_method: linear\nmodules: {text_decoder: {models: [{model: a}]}, vision_tower: {models: [{model: a}]}}", /modules names text_decoder and vision_tower: the parts of a model are not merged apart here/],
    ["modules and models", `${TIES}modules: {default: {models: [{model: a}]}}`, /modules stands beside models/],
    ["an unknown key", `${TIES}dtpye: float32`, /dtpye is no field of mergekit; did you mean dtype\?/],
    ["an unknown key further in", TIES.replace("{model: a,", "{modle: a,"), /models\.0\.modle is not a field; did you mean model\?/],
    ["an unknown parameter", TIES.replace("density", "densty"), /models\.0\.parameters\.densty is no parameter of ties; did you mean density\?/],
    ["an unknown method", "merge_method: tise\nmodels: [{model: a}]", /merge_method is tise, which is no method of mergekit 0\.1\.5; did you mean ties\?/],
    ["a method of ours", TIES.replace("ties", "rankmean"), /rankmean, which is no method of mergekit/],
    ["a parameter of ours", `${TIES}parameters: {scope: model}`, /parameters\.scope is no parameter of ties/],
    ["neither models nor slices", "merge_method: ties", /neither models nor slices/],
    ["both", `${TIES}slices: [{sources: [{model: a, layer_range: [0, 1]}]}]`, /models and slices stand side by side/],
    ["a type that is not done", `${TIES}dtype: float64`, /dtype is "float64"; float32, float16 and bfloat16 are done here/],
    ["a weight that is missing", TIES.replace("weight: 1, ", ""), /models\.0 has no weight; give it one under parameters/],
    ["a base that linear has no weight for", TIES.replace("ties", "linear"), /base_model is not listed, so mergekit merges it as one more model, and weight is missing/],
    ["a density above 1", TIES.replace("0.2", "1.5"), /models\.0\.parameters\.density must be a number from 0 to 1, not 1\.5/],
    ["text for a number", TIES.replace("0.2", "lots"), /models\.0\.parameters\.density must be a number from 0 to 1, not "lots"/],
    ["null", TIES.replace("0.2", "null"), /models\.0\.parameters\.density must be a value/],
    ["a mixed list", TIES.replace("[0, 1]", "[0, {value: 1}]"), /models\.1\.parameters\.weight must be a value/],
    ["a folder that is not there", TIES.replace("{model: b", "{model: d"), /models\.1\.model is "d", but there is no such folder beside c\.yml/],
    ["a model twice", TIES.replace("{model: b", "{model: a"), /models\.1\.model is \.\/a, which is listed already/],
    ["a template by a name we have not", `${TIES}chat_template: mistral`, /chat_template is mistral, a template that lies in mergekit's own package/],
    ["no template", `${TIES}chat_template: hello`, /chat_template is no template/],
    ["a token of a model that is not merged", `${TIES}tokenizer: {tokens: {x: {source: owner/other}}}`, /tokenizer\.tokens\.x\.source is owner\/other, which is none of the merged models/],
    ["two tokenizers", `${TIES}tokenizer: {}\ntokenizer_source: base`, /tokenizer and tokenizer_source stand side by side/],
    ["an architecture put over another", "merge_method: linear\nmodels: [{model: {model: a, override_architecture: X}, parameters: {weight: 1}}]", /override_architecture names another architecture/],
  ])("%s", ([, yaml, message]) => {
    expect(refusal(() => read(yaml))).toMatch(message);
  });

  test.for<[string, string, RegExp]>([
    ["three models for slerp", "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}, {model: c}]\nparameters: {t: 0.5}", /runs\.0 merges 2 models beside the base, but slerp takes exactly 1/],
    ["slerp without t", "merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}]", /runs\.0 has no t, which slerp needs/],
    ["ties without a base", TIES.replace("base_model: base\n", ""), /runs\.0 is ties, which needs a base/],
    ["a slice without the base", "merge_method: ties\nbase_model: base\nslices: [{sources: [{model: a, layer_range: [0, 1], parameters: {weight: 1}}]}]", /runs\.0\.slices\.0 has no source from the base/],
    ["unequal ranges", "merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 3]}]}]\nparameters: {weight: 1}", /runs\.0\.slices\.0 takes 2 and 3 layers/],
    ["a reversed range", "merge_method: linear\nslices: [{sources: [{model: a, layer_range: [2, 0]}]}]\nparameters: {weight: 1}", /layer_range must be \[first, end\], whole numbers with first below end/],
    ["passthrough of two", "merge_method: passthrough\nbase_model: b\nmodels: [{model: a}]", /merges 2 models, but passthrough takes exactly 1/],
  ])("when the recipe is checked: %s", ([, yaml, message]) => {
    expect(refusal(() => recipeOf(yaml))).toMatch(message);
  });
});

test("YAML is read as 1.1, as mergekit's own reader does, but for y and n, which it takes for text", () => {
  expect(readYaml("a: yes\nb: y\nc: 010\nd: 1_000\ne: 2020-01-01\nf: off\ng: ~\nh: &x {i: 1}\nj: {<<: *x, k: 2}", "x")).toEqual({
    a: true, b: "y", c: 8, d: 1000, e: "2020-01-01", f: false, g: null, h: { i: 1 }, j: { i: 1, k: 2 },
  });
});

describe("a setting", () => {
  test("is interpolated between the neighbours of t; switches step", () => {
    expect([0, 0.25, 0.5, 1].map((t) => settle([0, 1, 5], "x", t))).toEqual([0, 0.5, 1, 5]);
    expect([0, 0.49, 0.5, 0.99, 1].map((t) => settle([true, false, true], "x", t))).toEqual([true, true, false, false, true]);
    expect(settle([3], "x", 1)).toBe(3);
  });

  test("is the first filter's that fits; a part of the name is enough; none: null", () => {
    const filters: Setting<number> = [{ filter: "mlp", value: [0, 1] }, { filter: "layers.1", value: 5 }];
    expect(settle(filters, "layers.1.mlp.up", 0.5)).toBe(0.5);
    expect(settle(filters, "layers.11.q", 0.5)).toBe(5);
    expect(settle(filters, "norm", 0)).toBeNull();
    expect(settle([{ filter: "*", value: 2 }], "norm", 0)).toBe(2);
    expect(settleFirst([undefined, filters, 7], "norm", 0)).toBe(7);
  });

  const scalar = fc.double({ min: -2, max: 2, noNaN: true });
  const value = fc.oneof(scalar, fc.array(scalar, { minLength: 1, maxLength: 4 }));
  const conditional: fc.Arbitrary<Conditional<number>> = fc.record({ filter: fc.constantFrom("mlp", "attn", "*", "1", "q"), value }, { requiredKeys: ["value"] });
  const any: fc.Arbitrary<Setting<number>> = fc.oneof(value, fc.array(conditional, { minLength: 1, maxLength: 4 }));

  test("two scopes in one mean the same", () => {
    fc.assert(fc.property(any, any, fc.constantFrom("l.1.mlp.up", "l.2.attn.q", "norm"), fc.constantFrom(0, 0.3, 1), (inner, outer, tensor, t) => {
      expect(settle(layered(inner, outer) as Setting<number>, tensor, t)).toBe(settleFirst([inner, outer], tensor, t));
    }));
  });

  /** A file as people might write one; parameters within every method's bounds. */
  const names = ["a", "b", "c"];
  const inBounds: fc.Arbitrary<number> = fc.double({ min: 0.01, max: 0.9, noNaN: true });
  const settings = (number: fc.Arbitrary<number>) => fc.oneof(number, fc.array(number, { minLength: 1, maxLength: 4 }), fc.array(fc.record({ filter: fc.constantFrom("mlp", "attn"), value: fc.oneof(number, fc.array(number, { minLength: 1, maxLength: 3 })) }), { minLength: 1, maxLength: 3 }).map((filters) => [...filters, { value: 0.5 }]));
  const parametersOf = (specs: ReturnType<typeof methodSpec>["whole"], method: string) => fc.record(
    Object.fromEntries(Object.entries(specs).filter(([name]) => !isInert(method, name) && !["rescaling", "scope", "election"].includes(name)).map(([name, spec]) => [
      name, spec.kind === "boolean" ? fc.oneof(fc.boolean(), fc.array(fc.boolean(), { minLength: 1, maxLength: 3 })) : name === "max_iter" ? fc.integer({ min: 0, max: 9 }) : settings(inBounds),
    ])),
    { requiredKeys: Object.entries(specs).filter(([, { required }]) => required).map(([name]) => name) },
  );
  const file = fc.constantFrom(...METHOD_NAMES.filter((name) => name !== "rankmean")).chain((method) => {
    const { perModel, whole, base, models: { min, max } } = methodSpec(method);
    const experts = names.slice(0, Math.max(min, Math.min(max ?? 3, 3), 1));
    const each = parametersOf(perModel, method);
    const withBase = base === "required" ? fc.constant(true) : base === "optional" ? fc.boolean() : fc.constant(false);
    const model = (name: string) => each.map((parameters) => ({ model: name, parameters }));
    return fc.record({
      base: withBase, models: fc.tuple(...experts.map(model)), parameters: parametersOf(whole, method),
      dtype: fc.constantFrom(undefined, "float32", "bfloat16"), out_dtype: fc.constantFrom(undefined, "float16"), sliced: fc.boolean(), tokenizer_source: fc.constantFrom(undefined, "union", "./a"),
    }).map(({ base, models, parameters, dtype, out_dtype, sliced, tokenizer_source }) => {
      const range = (first: number) => ({ sources: [...models.map((one) => ({ ...one, layer_range: [first, first + 2] })), ...(base ? [{ model: "./base", layer_range: [first, first + 2] }] : [])] });
      return {
        merge_method: method, ...(base ? { base_model: "./base" } : {}), ...(sliced ? { slices: [range(0), range(1)] } : { models }), parameters,
        ...(dtype ? { dtype } : {}), ...(out_dtype ? { out_dtype } : {}), ...(tokenizer_source ? { tokenizer_source } : {}),
      };
    });
  });

  test("a file, read, written and read again, is the same recipe; every parameter has the value the file gives it", { timeout: 20_000 }, () => {
    fc.assert(fc.property(file, (config) => {
      const recipe = recipeOf(yamlOf(config));
      const run = recipe.runs[0] as MergeRun;
      expect(mergekitProblem(run)).toBeNull();
      const again = recipeOf(toMergekitYaml(recipe, run));
      expect(again).toEqual(recipe);
      const { perModel, whole } = methodSpec(run.method);
      for (const [i, slice] of slicesOf(recipe, run).entries()) {
        const written = ("models" in config ? config.models : config.slices?.[i]?.sources) as readonly { model: string; parameters?: Record<string, Setting<number>> }[];
        for (const [tensor, t] of [["x.1.mlp.w", 0.3], ["x.2.attn.w", 1], ["norm", 0]] as const) {
          for (const { model, parameters } of written) {
            const source = slice.sources.find(({ id }) => id === model.replace(/^\.\//, ""));
            if (source === undefined || model === "./base") continue;
            for (const name of Object.keys(perModel)) {
              if (isInert(run.method, name) || parameters?.[name] === undefined) continue;
              expect(settleFirst(source.scopes.map((scope) => scope[name]), tensor, t)).toBe(settle(parameters[name], tensor, t));
            }
          }
          for (const name of Object.keys(whole)) {
            const said = (config.parameters as Record<string, Setting<number>>)[name];
            if (said !== undefined) expect(settleFirst(slice.scopes.map((scope) => scope[name]), tensor, t)).toBe(settle(said, tensor, t));
          }
        }
      }
    }), { numRuns: 100 });
  });

  test("what mergekit has no words for is not written", () => {
    const recipe = recipeOf(TIES);
    const ties = recipe.runs[0] as MergeRun;
    expect(mergekitProblem({ ...ties, scope: "model" } as unknown as MergeRun)).toMatch(/selects over the whole model/);
    expect(mergekitProblem({ ...ties, rescaling: "inverse" } as unknown as MergeRun)).toBeNull(); // ties rescales nothing
    expect(mergekitProblem({ ...ties, rescaling: "inverse", rescale: true } as unknown as MergeRun)).toMatch(/divides by the density/);
    expect(mergekitProblem({ ...ties, election: "unweighted" } as unknown as MergeRun)).toMatch(/elects signs before weights/);
    expect(mergekitProblem({ id: "r", method: "rankmean" })).toMatch(/rankmean, which mergekit does not have/);
  });
});
