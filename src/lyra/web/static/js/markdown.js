/* Markdown that is still being written, as nodes. A finished block is never touched again, half a
   mark never shows, and an image is only its words: a picture's address could carry data away. */

import { el, link } from "./dom.js";
import { allowed, otherHost } from "./links.js";

const SIGNS = /`+|!?\[|\*\*|[*_]|\\(?=[\\`*_{}[\]()#+\-.!|~>])/g;
const HREF = /\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)/y;

/* Where a sign comes next, looked for on from the last look: if every mark that is never closed read
   all behind it, a thousand of them would stop the page. Only a run of backticks as long closes one. */
function looking(text) {
  const seen = {};
  return (sign, from) => {
    let at = seen[sign];
    if (at === -1 || at >= from) return at;
    at = text.indexOf(sign, from);
    while (sign[0] === "`" && at >= 0 && (text[at - 1] === "`" || text[at + sign.length] === "`")) at = text.indexOf(sign, at + 1);
    return (seen[sign] = at);
  };
}

/* A link of the model: one to the listener's own, or words, with the host behind them that they would lead to. */
function pointing(href, words) {
  const label = el("bdi", {}, words);
  const address = allowed(href, label.textContent);
  if (address) return link(address, {}, label);
  const host = otherHost(href);
  return host ? el("span", {}, label, el("bdi", { dir: "ltr" }, ` (${host})`)) : label;
}

function inline(text) {
  const nodes = [];
  const next = looking(text);
  const signs = new RegExp(SIGNS);
  const ends = /[*_\n]/g;
  const outside = (at) => !/[\w*]/.test(text[at] ?? "");
  const inner = (tag, start, end, size) => end > start && [end + size, el(tag, {}, inline(text.slice(start, end)))];
  // What a sign makes of the text from `start` on: where it ends, and a node; or nothing.
  const read = (sign, start) => {
    if (sign[0] === "`") {
      const end = next(sign, start);
      return end > 0 && [end + sign.length, el("code", {}, text.slice(start, end).trim())];
    }
    if (sign === "\\") return [start + 1, text[start]];
    if (sign === "**") return inner("strong", start, next(sign, start + 1), 2);
    if (!sign.endsWith("[")) {
      ends.lastIndex = start;
      const end = outside(start - 2) ? ends.exec(text)?.index : 0;
      return text[end] !== "\n" && outside(end + 1) && inner("em", start, end, 1);
    }
    const close = next("]", start);
    if (close < 0 || text[close + 1] !== "(") return null;
    if (sign[0] === "!") return next(")", close) > 0 && [next(")", close) + 1, text.slice(start, close)];
    const another = next("[", start);
    HREF.lastIndex = close + 1;
    const to = close > start && (another < 0 || another > close) && HREF.exec(text);
    return to && [HREF.lastIndex, pointing(to[1], inline(text.slice(start, close)))];
  };
  let done = 0;
  for (let m; (m = signs.exec(text));) {
    const [end, node] = read(m[0], signs.lastIndex) || [];
    if (!end) continue;
    nodes.push(text.slice(done, m.index), node);
    signs.lastIndex = done = end;
  }
  return [...nodes, text.slice(done)].filter(Boolean);
}

const count = (text, pattern) => (text.match(pattern) ?? []).length;

const HALF = /!?\[([^[\]]*)\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\([^()\s]*)?)?$/; // a link without its end

/* Closes what the stream has not closed yet, and hides what may become a mark. */
export function mend(text) {
  const open = text.indexOf("[", text.lastIndexOf("]") + 1);
  let mended = open < 0 ? text : text.slice(0, text[open - 1] === "!" ? open - 1 : open) + text.slice(open + 1);
  mended = mended.replace(HALF, "$1");
  let end = mended.length;
  while ("*_`\\".includes(mended[end - 1])) end -= 1;
  const last = mended.slice(end);
  if (!(/^(\*\*|`|\*|_)$/.test(last) && closes(text, last))) mended = mended.slice(0, end);
  const code = unclosed(mended);
  if (code) return mended + code;
  if (count(mended, /\*\*/g) % 2) mended = mended.endsWith("*") ? `${mended}*` : `${mended}**`;
  const single = mended.replace(/\*\*/g, "");
  if (count(single, /(?<=^|[\s(])\*(?=\S)|(?<=\S)\*(?=[\s).,;:!?]|$)/g) % 2) mended += "*";
  return mended;
}

/* The run of backticks that opens code and that nothing closes. */
function unclosed(text) {
  const next = looking(text);
  let end = 0;
  for (const { 0: run, index } of text.matchAll(/\\`|`+/g)) {
    if (index < end || run[0] === "\\") continue;
    const close = next(run, index + run.length);
    if (close < 0) return run;
    end = close + run.length;
  }
  return "";
}

function closes(text, marks) {
  return (text.split(marks).length - 1) % 2 === 0;
}

const ITEM = /^\s*([-*+]|\d+[.)])\s+([^]*)/;
const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

const rules = (row) => cells(row).every((cell) => /^:?-+:?$/.test(cell));

function table(lines, words) {
  const [head, , ...rows] = lines.filter((line) => line.trim());
  const row = (tag, line) => el("tr", {}, cells(line).map((cell) => el(tag, {}, words(cell))));
  const body = el("tbody", {}, rows.filter((line) => line.trim() !== "|").map((line) => row("td", line)));
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
  return el(ordered ? "ol" : "ul", { start }, items.map((item) => el("li", {}, words(item))));
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
  if (heading) return el(`h${Math.min(6, heading[1].length + 2)}`, {}, words(heading[2]));
  if (/^([-*_])\1{2,}$/.test(source.replace(/\s/g, ""))) return el("hr");
  if (first.startsWith(">")) return el("blockquote", {}, words(lines.map((line) => line.replace(/^>\s?/, "")).join("\n")));
  if (lines.length > 1 && first.includes("|") && rules(lines[1])) return table(lines, words);
  if (open && first.trim().startsWith("|")) return el("p"); // a table whose rule has not come yet
  if (open && /^\s*([-*+#>]{1,6}|\d+[.)]?)\s*$/.test(source)) return el("p"); // a mark, or soon one
  return ITEM.test(first) ? list(lines, words) : el("p", {}, words(source));
}

/* Where the block that begins `text` ends: behind its blank line; -1 while it is open. */
function boundary(text) {
  const fence = /^(`{3,}|~{3,})/.exec(text);
  if (fence) {
    const end = text.indexOf(`\n${fence[1]}`, 3);
    return end < 0 ? -1 : text.indexOf("\n", end + 1) + 1 || -1;
  }
  // A list ends a paragraph, as models write it: without a blank line before.
  const end = ITEM.test(text) ? /\n\n/ : /\n(\n|([-*+]|\d+[.)])\s+)/;
  return text.search(/^#+\s/.test(text) ? /\n/ : end) + 1 || -1;
}

export class Paper {
  /* Writes into `root`, the first words at once, then thirty times a second at most: twice that is not to be seen. A long
     block leaves the page the greater part of the time. */
  constructor(root) {
    this.root = root;
    this.tail = "";
    this.open = null;
    this.due = 0;
    this.pause = 24;
  }

  push(words) {
    this.tail += words.replace(/[\u00ad\u200b\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/g, ""); // they hide, or turn the direction of what follows
    this.due ||= setTimeout(() => requestAnimationFrame(() => this.due && this.paint()), this.open ? this.pause : 0);
  }

  /* Writes what is left; a text that was cut has its open marks closed. */
  end(cut = false) {
    clearTimeout(this.due);
    this.paint(true, cut);
  }

  paint(last = false, cut = false) {
    this.due = 0;
    const began = performance.now();
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
    this.pause = Math.max(24, 3 * (performance.now() - began));
  }

  #put(node) {
    if (this.open) this.open.replaceWith(node);
    else this.root.append(node);
    return node;
  }
}

/* The words without their marks, to be read out. */
export const spoken = (text) => text.replace(/\[([^[\]]*)\]\([^()]*\)/g, "$1").replace(/[*_`>|#]/g, "");
