/** JSON from outside → typed values, or a sentence that names the file and the field. */
import type { z } from "zod";
import { LabError, type LabErrorCode } from "../lib/error.ts";

export function parseJson<T>(text: string, schema: z.ZodType<T>, file: string, code: LabErrorCode): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const what = /^\s*</.test(text) ? "a web page" : "not valid JSON";
    throw new LabError(code, `${file} is ${what}. It may be missing or cut short on the server.`, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.length ? `the field ${issue.path.map(String).join(".")}` : "its content";
  throw new LabError(code, `${file}: ${field} is not as it should be (${issue?.message ?? "invalid"}).`, { details: { file, path: issue?.path } });
}
