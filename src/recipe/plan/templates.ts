/** Chat templates that a recipe may name in place of writing them: the formats are public, the Jinja is ours. */
export const namedTemplates: Readonly<Record<string, string>> = {
  chatml:
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{%- endfor -%}" +
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}\n",
  llama3:
    "{%- for message in messages -%}{%- if loop.first -%}{{ bos_token }}{%- endif -%}" +
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor -%}" +
    "{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}\n",
};

/** What mergekit has a name for and this program has not. */
export const UNKNOWN_TEMPLATES = ["alpaca", "exaone", "mistral"];

/** The template that most models have; of equally many the first. Null where none has one. */
export function commonest(templates: readonly (string | null)[]): string | null {
  const counts = new Map<string, number>();
  for (const template of templates) if (template !== null && template.trim() !== "") counts.set(template.trim(), (counts.get(template.trim()) ?? 0) + 1);
  return [...counts].reduce<[string, number] | null>((best, one) => (best === null || one[1] > best[1] ? one : best), null)?.[0] ?? null;
}
