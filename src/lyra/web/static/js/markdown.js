/* Markdown that is still being written, as nodes. A finished block is never touched again, half a
   mark never shows, and an image is only its words: a picture's address could carry data away. */

import { el, link } from "./dom.js";

const INLINE = /(`+)([\s\S]*?[^`])\1(?!`)|!\[([^\]]*)\]\([^)]*\)|\[([^\]]+)\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)|\*\*([\s\S]+?)\*\*|(?<![\w*])[*_]([^*_\n]+?)[*_](?![\w*])|\\([\\`*_{}[\]()#+\-.!|~>])/;

function inline(text) {
  const nodes = [];
  for (let m; (m = INLINE.exec(text)); text = text.slice(m.index + m[0].length)) {
    const [, , code, image, label, href, strong, soft, escaped] = m;
    if (m.index) nodes.push(text.slice(0, m.index));
    if (code !== undefined) nodes.push(el("code", {}, code.trim()));
    else if (image !== undefined) nodes.push(image);
    else if (label !== undefined) nodes.push(link(href, {}, ...inline(label)));
    else if (strong !== undefined) nodes.push(el("strong", {}, ...inline(strong)));
    else if (soft !== undefined) nodes.push(el("em", {}, ...inline(soft)));
    else nodes.push(escaped);
  }
  if (text) nodes.push(text);
  return nodes;
}

const count = (text, pattern) => (text.match(pattern) ?? []).length;

/* Closes what the stream has not closed yet, and hides what may become a mark. */
export function mend(text) {
  let mended = text
    .replace(/!?\[[^\]]*$/, (open) => open.replace(/^!?\[/, ""))
    .replace(/!?\[([^\]]*)\](\([^)]*)?$/, "$1")
    .replace(/[*_`]+$/, (marks) => (/^(\*\*|`|\*|_)$/.test(marks) && closes(text, marks) ? marks : ""))
    .replace(/\\$/, "");
  if (count(mended, /`/g) % 2) return `${mended}\``;
  if (count(mended, /\*\*/g) % 2) mended = mended.endsWith("*") ? `${mended}*` : `${mended}**`;
  const single = mended.replace(/\*\*/g, "");
  if (count(single, /(?<=^|[\s(])\*(?=\S)|(?<=\S)\*(?=[\s).,;:!?]|$)/g) % 2) mended += "*";
  return mended;
}

function closes(text, marks) {
  return (text.split(marks).length - 1) % 2 === 0;
}

const RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const ITEM = /^\s*([-*+]|\d+[.)])\s+(.*)$/;
const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines, words) {
  const [head, , ...rows] = lines.filter((line) => line.trim());
  const row = (tag, line) => el("tr", {}, ...cells(line).map((cell) => el(tag, {}, ...words(cell))));
  const body = el("tbody", {}, ...rows.filter((line) => line.trim() !== "|").map((line) => row("td", line)));
  const region = { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Table" };
  return el("div", region, el("table", {}, el("thead", {}, row("th", head)), body));
}

function list(lines, words) {
  const [, mark] = ITEM.exec(lines[0]);
  const ordered = /\d/.test(mark);
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push(item[2]);
    else if (items.length) items.push(`${items.pop()}\n${line.trim()}`);
  }
  const start = ordered ? Number.parseInt(mark, 10) : null;
  return el(ordered ? "ol" : "ul", { start }, ...items.map((item) => el("li", {}, ...words(item))));
}

function block(source, open) {
  const words = (text) => inline(open ? mend(text) : text);
  const lines = source.split("\n");
  const [first] = lines;
  const fence = /^(`{3,}|~{3,})/.exec(first);
  if (fence) {
    const end = lines.length > 1 && lines.at(-1).startsWith(fence[1]) ? -1 : undefined;
    return el("pre", { tabindex: 0 }, el("code", {}, lines.slice(1, end).join("\n")));
  }
  const heading = /^(#{1,6})\s+(.*)/.exec(first);
  if (heading) return el(`h${Math.min(6, heading[1].length + 2)}`, {}, ...words(heading[2]));
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(source)) return el("hr");
  if (first.startsWith(">")) return el("blockquote", {}, ...words(lines.map((line) => line.replace(/^>\s?/, "")).join("\n")));
  if (lines.length > 1 && first.includes("|") && RULE.test(lines[1])) return table(lines, words);
  if (open && first.trim().startsWith("|")) return el("p"); // a table whose rule has not come yet
  if (open && /^\s*([-*+#>]{1,6}|\d+[.)]?)\s*$/.test(source)) return el("p"); // a mark, or soon one
  return ITEM.test(first) ? list(lines, words) : el("p", {}, ...words(source));
}

/* Where the block that begins `text` ends: behind its blank line; -1 while it is open. */
function boundary(text) {
  const fence = /^(`{3,}|~{3,})/.exec(text);
  if (fence) {
    const end = text.indexOf(`\n${fence[1]}`, 3);
    return end < 0 ? -1 : text.indexOf("\n", end + 1) + 1 || -1;
  }
  const end = text.indexOf(/^#{1,6}\s/.test(text) ? "\n" : "\n\n");
  return end < 0 ? -1 : end + 1;
}

export class Paper {
  /* Writes into `root`, the first words at once, then thirty times a second: twice that is not to be seen. */
  constructor(root) {
    this.root = root;
    this.tail = "";
    this.open = null;
    this.due = 0;
  }

  push(words) {
    this.tail += words;
    this.due ||= setTimeout(() => requestAnimationFrame(() => this.due && this.paint()), this.open ? 24 : 0);
  }

  /* Writes what is left; a text that was cut has its open marks closed. */
  end(cut = false) {
    clearTimeout(this.due);
    this.paint(true, cut);
  }

  paint(last = false, cut = false) {
    this.due = 0;
    for (;;) {
      this.tail = this.tail.replace(/^\n+/, "");
      const found = boundary(this.tail);
      const end = last && found < 0 ? this.tail.length : found;
      if (end <= 0) break;
      this.#put(block(this.tail.slice(0, end).trimEnd(), cut && end === this.tail.length));
      this.open = null;
      this.tail = this.tail.slice(end);
    }
    if (this.tail.trim()) this.open = this.#put(block(this.tail.trimEnd(), true));
  }

  #put(node) {
    if (this.open) this.open.replaceWith(node);
    else this.root.append(node);
    return node;
  }
}

/* The words without their marks, to be read out. */
export const spoken = (text) => text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*_`>|#]/g, "");
