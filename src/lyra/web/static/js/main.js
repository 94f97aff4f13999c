/* The page: who is listening, the conversation, and the box to ask in. It uses the public API only. */

import { button, byId, el } from "./dom.js";
import { load, show } from "./listener.js";
import { Lyra } from "./lyra-client.js";
import { spoken } from "./markdown.js";
import { Turn } from "./turn.js";

const { offline, model, connect, trouble } = document.documentElement.dataset;
let { demo } = document.documentElement.dataset;
const KEPT = "lyra.chat";
const [ask, send, box, thread] = ["ask", "send", "scroller", "thread"].map(byId);
const who = (text) => { if (!demo) byId("who").textContent = text; }; // in a demo it is a choice
const say = (text) => { byId("live").textContent = text; };
let lyra = new Lyra({ token: demo });
let turns = [];
let running = null;
let chat = { id: crypto.randomUUID() };

/* ---- the page's own state: theme, notices, network */

const themes = ["auto", "light", "dark"];
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = `Theme: ${name}`;
  localStorage.setItem("lyra.theme", name);
}
setTheme(themes.includes(localStorage.getItem("lyra.theme")) ? localStorage.getItem("lyra.theme") : "auto");
byId("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3]));

function notice(text, ...acts) {
  byId("notice").hidden = !text;
  byId("notice").replaceChildren(el("p", {}, text ?? ""), ...acts, button("Dismiss", () => notice()));
}
addEventListener("offline", () => notice("You are offline. What is on the page stays; ask again when the network is back."));
addEventListener("online", () => notice());

/* ---- the listener */

async function listen() {
  who("Reading your listening…");
  try {
    const found = await load(lyra);
    const { profile } = found;
    who(profile.profile.display_name ?? "Connected");
    // Nobody's questions go along with another listener's data.
    if (chat.who && chat.who !== profile.profile.id) fresh();
    chat.who = profile.profile.id;
    byId("lede").textContent = lede(profile);
    show(found, { demo, offers: { refresh, wipe } });
    byId("starters").replaceChildren(...profile.suggestions.map((text) => el("li", {}, button(text, () => begin(text)))));
    byId("enter").hidden = byId("gate").hidden = true;
  } catch (failure) {
    who("Not connected");
    byId("starters").replaceChildren();
    if (failure.action === "reauthorize") enter(failure.message);
    else if (failure.action === "consent") arrive();
    else notice(failure.message, button("Try again", () => { notice(); listen(); }));
  }
}

function lede({ top_artists: artists, recently_played: plays }) {
  if (!artists.length && !plays.length) return "There is no listening yet. Play something on Spotify and come back.";
  const whose = demo ? "an invented listener's" : "your";
  const how = offline ? " No language model is connected: answers only count and list." : ` ${demo ? "" : `They go to ${model} with your question.`}`;
  return `Lyra has read ${whose} top artists, last plays and playlists, once. It answers from those.${how}`;
}

async function refresh() {
  await lyra.forget().catch((failure) => notice(failure.message));
  await listen();
}

async function wipe() {
  await lyra.forget().catch((failure) => notice(failure.message));
  sessionStorage.removeItem(KEPT);
  location.reload();
}

/* ---- the log-in: who is here, what they agree to */

const GOES = {
  full: (to) => `With each question a summary goes to ${to}: genres, names of artists, tracks and playlists, and when you played.`,
  minimal: (to) => `With each question the summary and your genres go to ${to}.`,
  none: (to) => `None of it goes to ${to}; your questions do.`,
};

async function arrive() {
  try {
    const session = await lyra.session();
    byId("out").hidden = !session.signed_in;
    if (!session.signed_in) enter("Connect Spotify, and ask about what you play.");
    else if (session.consented) listen();
    else consent(session);
  } catch (failure) {
    notice(failure.message, button("Try again", () => { notice(); arrive(); }));
  }
}

function gate(text, ...acts) {
  byId("starters").replaceChildren();
  if (turns.length) return notice(text, ...acts);
  byId("gate").hidden = false;
  byId("gate").replaceChildren(el("p", {}, text), el("p", { class: "pair" }, ...acts));
}

function consent(session) {
  const { name } = session;
  who(name ?? "Connected");
  const goes = session.offline ? "No language model is connected: it stays on this server." : GOES[session.context](session.model);
  const yes = () => lyra.agree(session).then(() => { notice(); listen(); }, ({ message }) => notice(message));
  gate(`Lyra reads your top artists and tracks, last plays and playlists from Spotify. ${goes}`, button("Agree and read", yes, "go"), button("No, sign out", leave));
}

async function leave() {
  try {
    await lyra.logout();
    sessionStorage.removeItem(KEPT);
    location.assign("/");
  } catch (failure) {
    notice(failure.message);
  }
}
byId("out").addEventListener("click", leave);

function enter(why) {
  if (connect) return gate(why, el("a", { class: "go", href: "/auth/login" }, "Connect Spotify"));
  byId("enter").hidden = false;
  byId("enter-why").textContent = why;
  byId("token").focus();
}
byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  lyra = new Lyra({ token: byId("token").value.trim() });
  byId("token").value = "";
  listen();
});

/* ---- following the stream: on until the reader goes up, on again at the bottom */

let follow = true;
let before = 0;
const gap = () => box.scrollHeight - box.scrollTop - box.clientHeight;
function toEnd() {
  box.scrollTop = box.scrollHeight;
  before = box.scrollTop;
}
function settle() {
  if (follow) toEnd();
  byId("latest").hidden = gap() < 24;
}
box.addEventListener("scroll", () => {
  if (box.scrollTop < before - 2) follow = false;
  else if (gap() < 24) follow = true;
  before = box.scrollTop;
  byId("latest").hidden = follow || gap() < 24;
}, { passive: true });
box.addEventListener("wheel", ({ deltaY }) => { if (deltaY < 0) follow = false; }, { passive: true });
new ResizeObserver(settle).observe(byId("column"));
byId("latest").addEventListener("click", () => { follow = true; toEnd(); });

/* ---- the conversation */

const deeds = {
  ask: (turn) => { if (!running) answer(turn); },
  edit: (text) => { ask.value = text; grow(); ask.focus(); },
  connect: (turn) => { keep(); enter(turn.cut.message); },
  began: ({ messageId }) => { running.run = messageId; },
  status: ({ phase, section }) => { if (phase === "loading_listening" && section) say(`Reading ${section.replace("_", " ")}.`); },
};

function keep() {
  const kept = { ...chat, demo, turns: turns.map((turn) => turn.kept) };
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    sessionStorage.removeItem(KEPT); // too long to be kept: the page goes on without
  }
}

function place(kept) {
  const turn = new Turn(kept, deeds);
  turns.push(turn);
  thread.append(turn.node);
  byId("empty").hidden = true;
  return turn;
}

function begin(question) {
  if (running) return;
  follow = true;
  answer(place({ question }));
}

async function answer(turn) {
  Object.assign(turn, { answer: "", cards: [], facts: [], receipt: null, cut: null, last: null });
  const history = turns.slice(0, turns.indexOf(turn)).filter(({ answer: said }) => said)
    .flatMap((each) => [{ role: "user", content: each.question }, { role: "assistant", content: each.answer }]);
  const leaving = new AbortController();
  turn.wait();
  toEnd();
  await read(turn, lyra.chat({ message: turn.question, history, id: chat.id, signal: leaving.signal }), leaving);
}

async function read(turn, parts, leaving) {
  running = { turn, leaving, run: null };
  busy(true);
  say("Lyra is answering.");
  keep();
  const saving = setInterval(keep, 1000);
  await turn.read(parts, { painted: settle });
  clearInterval(saving);
  running = null;
  busy(false);
  say(turn.cut?.code === "stopped" ? "Stopped." : spoken(turn.answer) || turn.foot.textContent);
  keep();
  settle();
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

async function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (!kept || kept.demo !== demo) return;
  chat = { id: kept.id, who: kept.who };
  for (const each of kept.turns) place(each).restore();
  const last = turns.at(-1);
  if (!last || last.ended) return;
  const leaving = new AbortController();
  if (!last.last) last.wait();
  await read(last, lyra.resume(chat.id, { after: last.last, signal: leaving.signal }), leaving);
}

/* ---- the box */

function grow() {
  ask.style.height = "auto";
  ask.style.height = `${Math.min(ask.scrollHeight, 180)}px`;
  const left = ask.maxLength - ask.value.length;
  byId("hint").textContent = left < 500 ? `${left} characters left` : byId("hint").dataset.usual;
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
  if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
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
function fresh() {
  if (running) return;
  sessionStorage.removeItem(KEPT);
  chat = { id: crypto.randomUUID(), who: chat.who };
  turns = [];
  thread.replaceChildren();
  byId("empty").hidden = false;
  ask.focus();
}
byId("new").addEventListener("click", fresh);
byId("fold").addEventListener("click", ({ currentTarget: fold }) => {
  const open = byId("sky").classList.toggle("open");
  fold.setAttribute("aria-expanded", open);
  fold.textContent = open ? "Back to the chat" : "Your sky";
});

if (trouble) {
  notice(trouble);
  history.replaceState(null, "", "/");
}
if (demo) {
  byId("who").addEventListener("change", ({ currentTarget }) => {
    demo = currentTarget.value;
    lyra = new Lyra({ token: demo });
    fresh();
    listen();
  });
  listen();
} else if (connect) arrive();
else enter("Paste a Spotify access token to begin. It stays in this page, and goes to this server alone.");
restore();
