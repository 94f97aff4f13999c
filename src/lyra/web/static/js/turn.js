/* One question and its answer: from the first word to the receipt, or to what went wrong. */

import { button, cover, el, named } from "./dom.js";
import { Paper } from "./markdown.js";

const unanswered = () => ({ answer: "", cards: [], facts: [], notice: "", receipt: null, cut: null, last: null });
const time = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/* `deeds` is what the page does for a turn: ask(turn), edit(text), began(part). */
export class Turn {
  constructor(kept, deeds) {
    Object.assign(this, unanswered(), kept);
    this.deeds = deeds;
    this.body = el("div", { class: "a" });
    this.foot = el("div", { class: "foot" });
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
    const paper = new Paper(this.body);
    paper.push(this.answer);
    paper.end(true);
    if (this.ended) this.#close();
  }

  wait() {
    this.body.replaceChildren(el("p", { class: "wait" }, el("i"), el("i"), el("i")));
    this.foot.replaceChildren();
    this.body.setAttribute("aria-busy", "true");
  }

  /* Reads the parts of an answer; how it ended, in one sentence for a screen reader. */
  async read(parts) {
    const began = performance.now();
    let paper = null;
    this.cut = null;
    try {
      for await (const part of parts) {
        this.last = part.event;
        if (part.type === "text-delta") {
          if (!paper) {
            this.body.replaceChildren();
            paper = new Paper(this.body);
            if (this.answer) paper.push(this.answer);
          }
          this.answer += part.delta;
          paper.push(part.delta);
        } else this.#take(part, began);
      }
      if (!this.ended) this.cut = { retryable: true };
    } catch (failure) {
      this.cut = failure.name === "AbortError" ? { code: "stopped" } : { ...failure, message: failure.message };
    }
    paper?.end(Boolean(this.cut));
    if (!this.answer.trim()) this.body.replaceChildren(this.answer = "");
    this.#close();
  }

  #take(part, began) {
    const { type, data, messageMetadata } = part;
    if (type === "data-track") this.cards.push(data);
    else if (type === "data-because") this.facts = data.facts;
    else if (type === "data-error") this.cut = { ...data, wait: data.retry_after_s };
    else if (type === "error") this.cut ??= { message: part.errorText, retryable: true };
    else if (type === "abort") this.cut = { code: part.reason };
    else if (type === "start") this.deeds.began(part);
    else if (type === "finish" && !this.cut) {
      this.receipt = receipt(messageMetadata, performance.now() - began);
      this.notice = messageMetadata.notice ?? "";
    }
  }

  #close() {
    this.body.setAttribute("aria-busy", "false");
    const below = [];
    if (this.cards.length) below.push(shelf(this.cards));
    if (this.facts.length) below.push(why(this.facts));
    if (this.cut) below.push(this.#trouble());
    if (this.notice) below.push(el("div", { class: "oops" }, el("p", {}, this.notice), this.answer ? "" : this.#again()));
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

function receipt({ cache, first_token_ms: first, usage }, took) {
  const calls = `${cache.spotify_calls} Spotify call${cache.spotify_calls === 1 ? "" : "s"}`;
  const word = first === null ? "" : `, first word ${time(first)}`;
  const words = usage.outputTokens ? `, ${usage.outputTokens} tokens` : "";
  return `${calls}${word}, ${time(took)}${words}`;
}

function shelf(cards) {
  return el("ul", { class: "shelf" }, ...cards.map((card) => {
    const under = el("span", { class: "dim", dir: "auto" }, (card.artists ?? []).join(", ") || card.kind);
    return el("li", {}, cover(card.image, 64), el("div", {}, named(card), under));
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
