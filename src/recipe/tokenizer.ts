/** What a recipe says of the merged model's vocabulary, in mergekit's words: whose tokenizer, and where single tokens come from. */
import * as z from "zod";
import { count, fields, ID, id, must, yesNo } from "../lib/fields.ts";
import { show } from "../lib/words.ts";
import { referenceProblem } from "./reference.ts";

/** base, union, an expert's id, or a model that is not merged. */
const source = () =>
  z.string(must("must be base, union, an expert's id or a model reference")).refine((text) => ID.test(text) || referenceProblem(text) === null, {
    error: ({ input }) => `is ${show(input)}, which is no id and ${referenceProblem(String(input)) ?? "no reference"}`,
  });

const saysToken = must('must be an expert\'s id, base, { "kind": "zero" } or { "kind": "model_token", "model": …, "token": … }');
const TOKEN = fields({
  source: z
    .union(
      [
        id(),
        fields({ kind: z.literal("zero") }),
        fields({ kind: z.literal("model_token"), model: id(), token: z.string().optional(), token_id: count(0, 2 ** 31).optional() })
          .refine(({ token, token_id }) => (token === undefined) !== (token_id === undefined), "must have a token or a token_id, and not both"),
      ],
      saysToken,
    )
    .describe("A model's row for this token; zero; or a model's row for another token"),
  force: yesNo().default(false).describe("Also for models that have a row of their own"),
});

export const tokenizerSource = () => source().describe("Whose tokenizer the result has: base, union, an expert, or another model; embeddings are laid out anew for it");

export const TOKENIZER = fields({
  source: source().default("union").describe("As tokenizer_source"),
  tokens: z.record(z.string().max(1024), TOKEN, must("must be an object by token")).optional().describe("Tokens to add, and where rows of single tokens come from"),
  pad_to_multiple_of: count(1, 65_536).optional().describe("Rows of the vocabulary are padded to a multiple of it"),
});

export type RecipeTokenizer = z.output<typeof TOKENIZER>;
export type RecipeToken = z.output<typeof TOKEN>;
