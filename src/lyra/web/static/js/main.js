/* The page: who is listening, the conversation, and the box to ask in. It uses the public API only. */

import { button, byId, cover, el, link, minutes, named, plural } from "./dom.js";
import { itemAddress } from "./links.js";
import { load, show, unread } from "./listener.js";
import { Lyra } from "./lyra-client.js";
import { spoken } from "./markdown.js";
import { Turn } from "./turn.js";

const root = document.documentElement;
const { base: home = "", demo, offline, model, provider, context, connect, trouble } = root.dataset;
const SENT = { full: "It goes", minimal: "Genres and counts go", none: "None of it goes" };
const came = new URLSearchParams(location.search);
const LOGIN = connect && !demo ? `${home}/auth/login` : "";
const [ask, send, box, thread, live, hint, latest] = ["ask", "send", "scroller", "thread", "live", "hint", "latest"].map(byId);
const usual = hint.textContent;
const say = (text) => { live.textContent = text; };
// In a demo it is a choice.
const who = (text) => { if (!demo) byId("who").textContent = text; };
const lyra = new Lyra({ base: home, token: demo });
let opened = null, cards = null;
let turns = [];
let running = null;
let chat = { id: newId() };

// crypto.randomUUID is missing where there is no https.
function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("");
}

/* ---- the page's own state: theme, notices, network */

// Where all cookies are blocked even a look at a store throws: then the page remembers for itself.
const store = (name) => { try { return window[name] ?? {}; } catch { return {}; } };
const local = store("localStorage"), session = store("sessionStorage");

const themes = ["auto", "light", "dark"];
function setTheme(name) {
  root.dataset.theme = name;
  byId("theme").textContent = `Theme: ${name}`;
  local.theme = name;
}
setTheme(themes.find((name) => name === local.theme) ?? "auto");
byId("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(root.dataset.theme) + 1) % 3]));

function notice(text, ...acts) {
  byId("notice").hidden = !text;
  byId("notice").replaceChildren(el("p", {}, text ?? ""), ...acts, button("Dismiss", () => notice()));
}
const retry = (act) => button("Try again", () => { notice(); act(); });
addEventListener("offline", () => notice("You are offline. What is on the page stays; ask again when the network is back."));
addEventListener("online", () => notice());

/* ---- the listener */

async function listen() {
  shut();
  who("Reading your listening…");
  try {
    const found = await load(lyra);
    greet(found);
    here(found.profile.profile.id);
  } catch (failure) {
    who("Not connected");
    byId("starters").hidden = true;
    if (!asked(failure)) notice(failure.message, retry(listen));
  }
}

/* Whether it takes a log-in or a consent to go on; then that is asked for. */
function asked({ action, message }) {
  if (action) gate().then((way) => (LOGIN ? way.arrive() : way.enter(message)));
  return action;
}

function greet(found) {
  const { profile } = found;
  who(profile.profile.display_name ?? "Connected");
  byId("lede").textContent = lede(found);
  show(found, { invented: demo, offers: { refresh, wipe, connect: LOGIN } });
  byId("starters").replaceChildren(...profile.suggestions.map((text) => el("li", {}, button(text, () => begin(text)))));
}

function lede({ profile, ready }) {
  const lists = ["top_artists", "recently_played"];
  if (lists.every((name) => ready.sections[name]?.status === "ok" && !profile[name].length)) return "Play something on Spotify and come back.";
  const how = offline ? " No language model is connected: answers only count and list." : demo ? "" : ` ${SENT[context]} to ${model} at ${provider} with your question.`;
  return `What Spotify tells of ${demo ? "an invented listener" : "you"}, read once.${how}`;
}

/* A conversation belongs to one listener: it goes on for them, and is gone for all others. */
function here(id) {
  if (chat.who && chat.who !== id) fresh();
  chat.who = id;
  const trip = JSON.parse(session.trip ?? "null");
  if (!turns.length) restore();
  if (trip && (trip.who ?? id) === id) arrive(trip);
  if (turns.at(-1)?.waits) answer(turns.at(-1));
}

async function refresh() {
  await lyra.forget().catch((failure) => notice(failure.message));
  await listen();
}

async function wipe() {
  try {
    await lyra.forget();
    fresh();
    unread();
    shut("Nothing of you is held here any more.", button("Read again", listen, "go"));
  } catch (failure) {
    notice(failure.message);
  }
}

/* ---- what has to be done first, at the end of the page; without words the way is free */

function shut(text, ...acts) {
  byId("gate").hidden = !text;
  byId("gate").replaceChildren(el("p", {}, text ?? ""), el("div", { class: "pair" }, ...acts));
  byId("starters").hidden = Boolean(text);
  if (turns.length) toEnd();
}

function gate() {
  const page = { byId, button, el, gone, home, listen, login: LOGIN, lyra, notice, retry, shut, told: root.dataset, who };
  opened ??= import("./gate.js").then(({ Gate }) => new Gate(page));
  return opened;
}

/* ---- proposed playlists */

/* The node of a turn's playlist, which fills itself. */
function card(turn) {
  const node = el("section", { class: "proposal" });
  const paste = () => gate().then((way) => way.enter("Paste a token that has that scope."));
  const page = { asked, button, cover, el, invented: demo, itemAddress, keep, leave, link, login: LOGIN, lyra, minutes, named, paste, plural, say };
  cards ??= import("./playlist.js");
  turn.card = cards.then(({ PlaylistCard }) => new PlaylistCard(node, turn.playlist, page));
  turn.card.catch(() => {
    cards = null;
    node.replaceChildren(el("p", { class: "oops" }, "The proposed playlist cannot be shown right now. Reload this page."));
  });
  return node;
}

/* Keeps for the time at Spotify which playlist was to be saved, and how. */
function leave(trip) {
  keep();
  session.trip = JSON.stringify({ ...trip, who: chat.who });
}

/* Shows the playlist that the listener comes back for, or that a link leads to; saves what they had
   asked to save before Spotify had to be asked. */
async function arrive(trip) {
  delete session.trip;
  try {
    let turn = turns.find(({ playlist }) => playlist?.id === trip.id);
    if (!turn) {
      const playlist = await lyra.playlist(trip.id);
      turn = place({ question: "A playlist that was proposed to you", playlist, receipt: "elsewhere" });
      turn.restore();
    }
    const shown = await turn.card;
    await shown.look();
    shown.arrive(trip);
    if (trip.save && came.get("login") === "playlists") shown.save();
    keep();
  } catch (failure) {
    if (!asked(failure)) notice(failure.message, retry(() => arrive(trip)));
  }
}

/* ---- following the stream: on until the reader goes up, on again at the bottom */

let follow = true;
let before = 0;
const gap = () => box.scrollHeight - box.scrollTop - box.clientHeight;
const away = () => turns.at(-1)?.body.getBoundingClientRect().bottom > box.getBoundingClientRect().bottom;
function toEnd() {
  box.scrollTop = box.scrollHeight;
  before = box.scrollTop;
}
// What comes below the last word does not move it: the reader is still there.
function settle() {
  if (follow && running) toEnd();
  latest.hidden = !away();
}
box.addEventListener("scroll", () => {
  if (box.scrollTop < before - 2) follow = false;
  else if (gap() < 24) follow = true;
  before = box.scrollTop;
  latest.hidden = !away();
}, { passive: true });
box.addEventListener("wheel", ({ deltaY }) => { if (deltaY < 0) follow = false; }, { passive: true });
const sizes = new ResizeObserver(settle);
sizes.observe(byId("column"));
sizes.observe(box);
latest.addEventListener("click", () => { follow = true; toEnd(); });

/* ---- the conversation */

const deeds = {
  card,
  ask: (turn) => { if (!running) answer(turn); },
  edit: (text) => { ask.value = text; grow(); ask.focus(); },
  began: ({ messageId }) => { running.run = messageId; },
  tell: say,
};

/* Keeps the newest turns that there is room for. */
function keep() {
  for (let some = turns; ; some = some.slice(Math.ceil(some.length / 2))) {
    try {
      session.chat = JSON.stringify({ ...chat, turns: some.map((turn) => turn.kept) });
      return;
    } catch {
      if (!some.length) return;
    }
  }
}

function place(kept) {
  const turn = new Turn(kept, deeds);
  turns.push(turn);
  thread.append(turn.node);
  byId("empty").hidden = true;
  byId("new").hidden = false;
  return turn;
}

function begin(question) {
  if (!running) answer(place({ question }));
}

function answer(turn) {
  turn.clear();
  turn.wait();
  const history = turns.slice(0, turns.indexOf(turn)).filter((each) => each.answer)
    .flatMap((each) => [{ role: "user", content: each.question }, { role: "assistant", content: each.answer }]);
  follow = true;
  return read(turn, (signal) => lyra.chat({ message: turn.question, history, id: chat.id, signal }));
}

async function read(turn, parts) {
  const leaving = new AbortController();
  running = { turn, leaving, run: null };
  busy(true);
  toEnd();
  say("Lyra is answering.");
  keep();
  const saving = setInterval(keep, 1000);
  await turn.read(parts(leaving.signal));
  clearInterval(saving);
  if (follow && turn.cut) toEnd();
  running = null;
  busy(false);
  const proposed = turn.playlist ? `Proposed below: ${turn.playlist.name}, ${plural(turn.playlist.count, "song")}.` : "";
  say(turn.cut?.code === "stopped" ? "Stopped." : `${spoken(turn.answer)} ${turn.notice} ${proposed}`.trim() || turn.foot.textContent);
  keep();
  // The question stays, and is asked once they are back.
  if (turn.cut) asked(turn.cut);
}

function busy(yes) {
  send.textContent = yes ? "Stop" : "Send";
  send.classList.toggle("stop", yes);
  if (demo) byId("who").disabled = yes;
}

/* The words stay; the model is told to stop, and the stream then ends by itself. */
function stop() {
  const { leaving, run } = running;
  lyra.stop(run ?? chat.id).catch(() => leaving.abort());
  setTimeout(() => leaving.abort(), 250);
  ask.focus();
}

/* The conversation of before the reload, if it is this listener's; a running answer is read on. */
function restore() {
  const kept = JSON.parse(session.chat ?? "null");
  if (kept?.who !== chat.who) return gone();
  chat.id = kept.id;
  for (const each of kept.turns) place(each).restore();
  for (const { card: shown, playlist } of turns) if (playlist?.state !== "saved") shown?.then((it) => it.look(), () => {});
  toEnd();
  const last = turns.at(-1);
  if (!last || last.ended) return;
  if (!last.last) last.wait();
  read(last, (signal) => lyra.resume(chat.id, { after: last.last, signal }));
}

/* ---- the box */

function grow() {
  ask.style.height = "auto";
  ask.style.height = `${Math.min(ask.scrollHeight, 180)}px`;
  const left = ask.maxLength - ask.value.length;
  hint.classList.toggle("full", left < 500);
  hint.textContent = left < 500 ? `${left} characters left` : usual;
}
ask.addEventListener("input", grow);
ask.addEventListener("keydown", (event) => {
  // Safari sends the Enter that ends an input method's word after the composition, as key 229.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    byId("form").requestSubmit();
  } else if (event.key === "ArrowUp" && !ask.value && turns.length) {
    event.preventDefault();
    deeds.edit(turns.at(-1).question);
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) stop();
  else if (event.key === "Escape" && byId("sky").classList.contains("open")) fold();
  else if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) {
    event.preventDefault();
    ask.focus();
  }
});
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = ask.value.trim();
  if (running) stop();
  else if (text) {
    ask.value = "";
    grow();
    begin(text);
  }
});

function gone() {
  delete session.chat;
  delete session.trip;
}
function fresh() {
  if (running) stop();
  gone();
  chat = { id: newId(), who: chat.who };
  turns = [];
  thread.replaceChildren();
  byId("empty").hidden = false;
  byId("new").hidden = latest.hidden = true;
  ask.focus();
}
byId("new").addEventListener("click", fresh);

function fold() {
  const open = byId("sky").classList.toggle("open");
  byId("fold").setAttribute("aria-expanded", open);
  byId("fold").textContent = open ? "Back to the chat" : "Your sky";
  byId("fold").focus();
}
byId("fold").addEventListener("click", fold);

unread();
if (came.has("playlist")) session.trip = JSON.stringify({ id: came.get("playlist") });
// Who comes back from Spotify with it granted sees it saved, in place of words.
if (trouble && !(came.get("login") === "playlists" && session.trip)) notice(trouble);
if (trouble || came.has("playlist")) history.replaceState(null, "", `${home}/`);
if (demo) {
  byId("who").addEventListener("change", ({ currentTarget }) => {
    lyra.token = currentTarget.value;
    fresh();
    delete chat.who;
    listen();
  });
  byId("connect")?.addEventListener("click", ({ currentTarget }) => notice(currentTarget.value));
  listen();
} else if (LOGIN) gate().then((way) => way.arrive());
else gate().then((way) => way.enter("Paste a Spotify access token to begin. It stays in this page, and goes to this server alone."));
