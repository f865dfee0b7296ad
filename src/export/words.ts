/** Text from recipes in the formats of a model card. */

/** A YAML scalar: JSON strings are YAML. */
export const scalar = (value: string) => (/^[A-Za-z0-9][\w./-]*$/.test(value) ? value : JSON.stringify(value));
/** Text stays text in Markdown. */
export const markdown = (value: string) => value.replace(/[\\`*_[\]<>#|]/g, "\\$&").replace(/\s+/g, " ");
