import { expect, test } from "vitest";
import { parsePythonJson, pythonJsonText } from "../../src/lib/pythonJson.ts";

const CONFIG = `{
  "final_logit_softcapping": 30.0,
  "rms_norm_eps": 1e-06,
  "vocab_size": 32,
  "model_max_length": 1000000000000000019884624838656,
  "time_step_limit": [
    0.0,
    Infinity
  ],
  "nothing": NaN,
  "inner": {
    "a \\"quoted\\": {name}": [],
    "scale": [
      -0.0,
      {
        "theta": 10000.0
      }
    ]
  },
  "NaN: 3.0, Infinity": "1.0"
}
`;

test("what Python wrote is written as it was", () => {
  const { value, numbers } = parsePythonJson(CONFIG);
  expect(value).toMatchObject({ final_logit_softcapping: 30, time_step_limit: [0, Infinity], nothing: null, inner: { scale: [-0, { theta: 10000 }] } });
  expect(pythonJsonText(value, numbers)).toBe(CONFIG);
});

test("what was changed is written as it is now, the rest as it was", () => {
  const { value, numbers } = parsePythonJson(CONFIG);
  const changed = { ...(value as object), vocab_size: 40, final_logit_softcapping: 31, time_step_limit: [1, Infinity], left: undefined };
  expect(pythonJsonText(changed, numbers)).toBe(CONFIG.replace('"vocab_size": 32', '"vocab_size": 40').replace("30.0", "31").replace("    0.0,\n", "    1,\n"));
});

test("what is no JSON is refused", () => {
  for (const text of ["{", "{'a': 1}", "[1,]", "Infinit", ""]) expect(() => parsePythonJson(text)).toThrow(SyntaxError);
});
