/** Puts what users read (docs/*.md) beside the built site as plain pages, so that the page's links work offline and on any host. */
import { Marked } from "marked";
import { existsSync, readFileSync } from "node:fs";
import { at } from "../house.mjs";

const PAGES = ["methods", "recipe", "models", "tasks"];
/** What they link to. */
const BESIDE = ["recipe.schema.json", "report.schema.json", "replay.py"];

const STYLE = `
:root { color-scheme: light dark; }
body { max-width: 74ch; margin: 0 auto; padding: 24px 20px 80px; background: light-dark(#fcfbf7, #14181b); color: light-dark(#1a1d21, #f1f1ec); font: 400 16px/1.6 "Inter", system-ui, sans-serif; }
h1, h2, h3 { font-family: "Source Serif", "Iowan Old Style", Georgia, serif; line-height: 1.25; scroll-margin-top: 16px; }
h2 { margin-top: 2.2em; } h2:target, h3:target { color: light-dark(#0f6e6e, #52bdb6); }
a { color: light-dark(#0f6e6e, #52bdb6); }
pre, code { font: 13.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: light-dark(#f0efea, #21262a); border-radius: 5px; }
code { padding: 1px 4px; } pre { padding: 12px 14px; overflow-x: auto; } pre code { padding: 0; background: none; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14.5px; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid light-dark(#e1dfd7, #2c3338); text-align: left; vertical-align: top; }`;

/** As readers of the Markdown on a code host find them: small letters, spaces to hyphens. */
const anchor = (text) => text.toLowerCase().replace(/<[^>]+>|[`*]/g, "").replace(/[^\p{L}\p{N}_ -]/gu, "").trim().replace(/ /g, "-");

const marked = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${anchor(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    table(token) {
      const cells = (row, tag) => `<tr>${row.map((cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join("")}</tr>`;
      return `<div class="wide"><table><thead>${cells(token.header, "th")}</thead><tbody>${token.rows.map((row) => cells(row, "td")).join("")}</tbody></table></div>\n`;
    },
    link({ href, tokens }) {
      if (href.startsWith("../")) return this.parser.parseInline(tokens); // lies in the source, not on the site
      return `<a href="${href.replace(/^(?!https?:)([\w-]+)\.md(?=#|$)/, "$1.html")}">${this.parser.parseInline(tokens)}</a>`;
    },
  },
});

/** One page, whole. */
export function docPage(name) {
  const text = readFileSync(at("docs", `${name}.md`), "utf8");
  const title = /^#\s+(.*)$/m.exec(text)?.[1] ?? name;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>${title} · Murmuration</title><link rel="icon" href="../icon.svg"><style>${STYLE}</style></head>
<body><p><a href="../">Murmuration</a></p>
${marked.parse(text)}</body></html>
`;
}

/** @returns {import("vite").Plugin} */
export function docs() {
  return {
    name: "murmuration:docs",
    apply: "build",
    generateBundle() {
      for (const name of PAGES) {
        if (existsSync(at("docs", `${name}.md`))) this.emitFile({ type: "asset", fileName: `docs/${name}.html`, source: docPage(name) });
      }
      for (const name of BESIDE) this.emitFile({ type: "asset", fileName: `docs/${name}`, source: readFileSync(at("docs", name)) });
    },
  };
}
