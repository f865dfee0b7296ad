/** The front matter of a README.md: the lines of YAML that model cards use (text, numbers, booleans, lists of text). */
export function frontMatter(text) {
  const block = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  /** @type {Record<string, unknown>} */
  const card = {};
  if (block === undefined) return card;
  let key = null;
  for (const line of block.split(/\r?\n/)) {
    const item = /^\s*-\s+(.*)$/.exec(line);
    const field = /^([\w-]+):\s*(.*)$/.exec(line);
    if (item && key) card[key] = [...(Array.isArray(card[key]) ? card[key] : []), scalar(item[1])];
    else if (field) {
      key = field[1];
      const value = field[2].trim();
      if (value !== "") card[key] = /^\[.*\]$/.test(value) ? value.slice(1, -1).split(",").filter((one) => one.trim()).map((one) => scalar(one)) : scalar(value);
    } else if (/^\S/.test(line)) key = null;
  }
  return card;
}

function scalar(text) {
  const value = text.trim().replace(/\s+#.*$/, "");
  if (/^(".*"|'.*')$/.test(value)) return value.slice(1, -1);
  if (value === "true" || value === "false") return value === "true";
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}
