/* One question and its answer: from the first word to the receipt, or to what went wrong. */

import { button, cover, el, named, plural } from "./dom.js";
import { Paper } from "./markdown.js";

/* `answer` is all that is said, a blank line between the texts of its rounds; `looks` is what is looked up
   meanwhile: with how much of the answer before it, and what has come of it once that is known; `playlist`
   is what is proposed, with what the listener made of it. */
const unanswered = () => ({ answer: "", looks: [], cards: [], playlist: null, facts: [], notice: "", refusal: "", receipt: null, cut: null, last: null });
const time = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/* `deeds` is what the page does for a turn: ask(turn), edit(text), began(part), tell(text) to a screen reader,
   card(turn), which makes the node that shows its playlist. */
export class Turn {
  constructor(kept, deeds) {
    Object.assign(this, unanswered(), kept);
    this.deeds = deeds;
    this.body = el("div", { class: "a" });
    this.foot = el("div", { class: "foot" });
    this.stars = el("p", { class: "wait" }, el("i"), el("i"), el("i"));
    this.proposal = null; // the node of the playlist
    this.paper = null; // of the text that is being written
    this.node = el("li", { class: "turn" }, el("h2", { class: "q", dir: "auto" }, this.question), this.body, this.foot);
  }

  /* What a reload needs. */
  get kept() {
    return Object.fromEntries(["question", ...Object.keys(unanswered())].map((name) => [name, this[name]]));
  }

  get ended() {
    return Boolean(this.receipt || this.cut);
  }

  /* Whether it could not be answered before somebody logs in, or agrees. */
  get waits() {
    return Boolean(this.cut?.action);
  }

  clear() {
    Object.assign(this, unanswered());
  }

  /* Shows a turn of before the reload, as far as it had come. */
  restore() {
    const { answer, looks } = this;
    let done = 0;
    if (this.playlist) this.proposal = this.deeds.card(this);
    for (const look of looks) {
      this.#write(answer.slice(done, look.at));
      this.#part();
      this.#show(look);
      done = look.at;
    }
    this.#write(answer.slice(done));
    this.paper?.paint();
    if (this.ended) return this.#close();
    this.body.setAttribute("aria-busy", "true");
    if (!this.paper && looks.every((look) => look.found)) this.body.append(this.stars);
  }

  wait() {
    this.paper = null;
    this.proposal = null;
    this.body.replaceChildren(this.stars);
    this.foot.replaceChildren();
    this.body.setAttribute("aria-busy", "true");
  }

  /* Reads the parts of an answer, up to its end. */
  async read(parts) {
    const began = performance.now();
    this.cut = null;
    try {
      for await (const part of parts) {
        this.last = part.event;
        if (part.type === "text-delta") {
          this.stars.remove();
          this.answer += part.delta;
          this.#write(part.delta);
        } else this.#take(part, began);
      }
      if (!this.ended) this.cut = { retryable: true };
    } catch (failure) {
      this.cut = failure.name === "AbortError" ? { code: "stopped" } : { ...failure, message: failure.message };
    }
    if (!this.answer.trim()) this.answer = "";
    this.#close();
  }

  #write(words) {
    if (words) (this.paper ??= new Paper(this.body)).push(words);
  }

  /* Ends the text that is being written. */
  #part(cut) {
    this.paper?.end(cut);
    this.paper = null;
  }

  /* A line about what is looked up; its star shines until something has come of it. */
  #show(look, open = !look.found) {
    const at = this.looks.indexOf(look);
    const line = this.body.querySelectorAll(":scope > .look")[at] ?? this.body.appendChild(el("p", { dir: "auto" }));
    line.className = open ? "look on" : "look";
    line.textContent = look.found ? `${look.title} (${look.found})` : look.title;
  }

  #take(part, began) {
    const { type, data, messageMetadata, toolCallId } = part;
    const look = this.looks.find(({ id }) => id === toolCallId);
    if (type === "data-track") this.cards.push(data);
    else if (type === "data-playlist") {
      this.playlist = data;
      this.proposal = this.deeds.card(this);
    }
    else if (type === "data-because") this.facts = data.facts;
    else if (type === "data-status") this.#status(data);
    else if (type === "text-start") {
      this.#part();
      if (this.answer) this.answer += "\n\n";
      if (this.looks.length) this.deeds.tell("");
    } else if (type === "tool-input-start") {
      this.#part();
      this.stars.remove();
      this.looks.push({ id: toolCallId, at: this.answer.length, title: part.title });
      this.#show(this.looks.at(-1));
    } else if (look) {
      if (type === "tool-input-available") look.title = part.title;
      else if (type === "tool-output-available") look.found = counted(part.output);
      else look.found = "failed";
      this.#show(look);
    } else if (type === "data-error") this.cut = { ...data, wait: data.retry_after_s };
    else if (type === "error") this.cut ??= { message: part.errorText, retryable: true };
    else if (type === "abort") this.cut = { code: part.reason };
    else if (type === "start") this.deeds.began(part);
    else if (type === "finish" && !this.cut) {
      this.receipt = receipt(messageMetadata, performance.now() - began);
      this.notice = messageMetadata.notice ?? "";
      const { refused, refusal } = messageMetadata.tools ?? {};
      if (refused) this.refusal = `Not looked up: ${plural(refused, "item")}. ${refusal ?? ""}`;
    }
  }

  #status({ phase, title }) {
    if (phase === "thinking") this.body.append(this.stars);
    // Calls of one round are told in one sentence.
    else if (phase === "searching") this.deeds.tell(this.looks.filter((each) => !each.found).map((each) => each.title).join(", ") || title);
  }

  #close() {
    this.#part(Boolean(this.cut));
    this.stars.remove();
    for (const look of this.looks) this.#show(look, false);
    this.body.setAttribute("aria-busy", "false");
    const below = [];
    const cards = this.cards.filter(({ uri }) => !this.playlist?.tracks.some((track) => track.uri === uri));
    if (this.playlist) below.push(this.proposal ??= this.deeds.card(this));
    if (cards.length) below.push(shelf(cards));
    if (this.facts.length) below.push(why(this.facts));
    if (this.cut) below.push(this.#trouble());
    if (this.notice) below.push(el("div", { class: "oops" }, el("p", {}, this.notice), this.answer ? "" : this.#again()));
    if (this.refusal) below.push(el("p", { class: "dim" }, this.refusal));
    if (this.answer) below.push(this.#offers());
    this.foot.replaceChildren(...below);
  }

  #trouble() {
    const { code, message, retryable, wait } = this.cut;
    if (code === "stopped") return el("p", { class: "dim" }, "Stopped.");
    const text = message ?? (code === "draining" ? "The server is being restarted." : "The answer broke off before its end.");
    const act = !this.waits && retryable !== false && button("Try again", () => this.deeds.ask(this));
    if (act && wait) countdown(act, wait);
    return el("div", { class: "oops" }, el("p", {}, text), act || "");
  }

  #again() {
    return button("Ask again", () => this.deeds.ask(this));
  }

  #offers() {
    const copy = button("Copy", async () => {
      // Without https there is no clipboard for pages.
      copy.textContent = await navigator.clipboard?.writeText(this.answer).then(() => "Copied") ?? "Not here";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    const edit = button("Edit", () => this.deeds.edit(this.question));
    return el("p", { class: "deeds" }, copy, this.#again(), edit, el("span", { class: "receipt num" }, this.receipt ?? ""));
  }
}

/* How much of what was looked up exists, or how much was read. */
function counted({ items, proposed, rows = [] }) {
  if (proposed) return plural(proposed.count, "song");
  return items ? `${items.filter((each) => each.found !== false).length} found` : `${rows.length} read`;
}

function receipt({ cache, first_token_ms: first, tools, usage }, took) {
  const { spotify_calls: calls } = cache;
  return [
    calls || !tools ? plural(calls, "Spotify call") : "", // a search is a call, too
    tools?.searches ? plural(tools.searches, "Spotify search", "es") : "",
    first === null ? "" : `first word ${time(first)}`,
    time(took),
    usage.outputTokens ? `${usage.outputTokens} tokens` : "",
  ].filter(Boolean).join(", ");
}

function shelf(cards) {
  return el("ul", { class: "shelf" }, cards.map((card) => {
    const by = (card.artists ?? []).join(", ");
    const under = el("span", { class: "dim", dir: "auto" }, card.kind === "album" && by ? `${by}, album` : by || card.kind);
    const fresh = card.new ? el("span", { class: "new", dir: "auto" }, el("b", {}, "New to you"), card.note ? `. ${card.note}` : "") : "";
    return el("li", {}, cover(card.image, 64), el("div", {}, named(card), under, fresh));
  }));
}

function why(facts) {
  return el("details", { class: "why" }, el("summary", {}, "Why this?"), el("ul", {}, ...facts.map((fact) => el("li", {}, fact))));
}

function countdown(act, wait) {
  const label = act.textContent;
  const due = Date.now() + wait * 1000;
  const tick = () => {
    const left = Math.ceil((due - Date.now()) / 1000);
    act.disabled = left > 0;
    act.textContent = left > 0 ? `${label} in ${left} s` : label;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}
