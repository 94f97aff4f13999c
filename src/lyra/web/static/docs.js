// The console and the list of routes. Every text goes in as text, never as HTML.

const byId = (id) => document.getElementById(id);
const [form, token, message, send, stop, state, answer, frames] =
  ["console", "token", "message", "send", "stop", "state", "answer", "frames"].map(byId);

const { base } = document.documentElement.dataset; // what a proxy puts before every path
let running = null;

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

// The description's code marks mean nothing in plain text.
function plain(text) {
  return text.replaceAll("`", "");
}

function tell(text, failed = false) {
  state.textContent = text;
  state.classList.toggle("failed", failed);
}

// A reader who has scrolled up to read stays there.
function append(pane, node) {
  const follows = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24;
  pane.append(node);
  if (follows) pane.scrollTop = pane.scrollHeight;
}

// The frames of a stream, as they end. A piece of the network may hold any part of one.
async function* readFrames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    yield* pieces;
  }
}

function showPart(part, seen) {
  switch (part.type) {
    case "text-delta":
      append(answer, document.createTextNode(part.delta));
      break;
    case "data-status":
      tell(part.data.section ? `Loading: ${part.data.section}, ${part.data.status}.` : `Under way: ${part.data.phase.replaceAll("_", " ")}.`);
      break;
    case "error":
      seen.ending = part.errorText;
      seen.failed = true;
      break;
    case "abort":
      seen.ending = `The server ended the answer: ${part.reason}.`;
      seen.failed = true;
      break;
    case "finish":
      seen.ending ??= finished(part);
      break;
  }
}

function finished({ finishReason, messageMetadata: told }) {
  const first = told.first_token_ms === null ? "no words" : `first word after ${Math.round(told.first_token_ms)} ms`;
  return `Finished (${finishReason}): ${first}, ${Math.round(told.duration_ms)} ms in all, cache ${told.cache.state}.`;
}

async function showStream(body) {
  const seen = { ending: null, failed: false, whole: false };
  for await (const frame of readFrames(body)) {
    append(frames, element("span", `${frame}\n\n`, frame.startsWith(":") ? "comment" : ""));
    if (!frame.startsWith("data: ")) continue;
    const data = frame.slice(6);
    if (data === "[DONE]") seen.whole = true;
    else showPart(JSON.parse(data), seen);
  }
  if (seen.whole) tell(seen.ending, seen.failed);
  else tell("The connection broke before the answer's end.", true);
}

async function showRefusal(response) {
  const body = await response.text();
  append(frames, document.createTextNode(`HTTP ${response.status}\n${body}\n`));
  let told = body;
  try {
    const { code, message: sentence } = JSON.parse(body).error;
    told = `${code}. ${sentence}`;
  } catch { /* not Lyra's own error: a proxy's page, shown as it is */ }
  tell(`${response.status} ${told}`, true);
}

async function ask() {
  running = new AbortController();
  const response = await fetch(`${base}/lyra/chat`, {
    method: "POST",
    headers: { "Authorization": `Bearer ${token.value.trim()}`, "Content-Type": "application/json" },
    body: JSON.stringify({ message: message.value }),
    signal: running.signal,
    cache: "no-store",
    credentials: "omit",
  });
  await (response.ok ? showStream(response.body) : showRefusal(response));
}

function setRunning(is) {
  const focused = document.activeElement;
  send.disabled = is;
  stop.disabled = !is;
  if (is && focused === send) stop.focus();
  if (!is && focused === stop) send.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  answer.replaceChildren();
  frames.replaceChildren();
  tell("Sent.");
  setRunning(true);
  try {
    await ask();
  } catch (failure) {
    if (failure.name === "AbortError") tell("Stopped by you.");
    else tell(`No answer: ${failure.message}`, true);
  } finally {
    running = null;
    setRunning(false);
  }
});
stop.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});

function showRoute(path, method, told, components) {
  const route = element("details");
  const line = element("summary");
  line.append(element("span", method.toUpperCase(), "method"), element("code", path), element("span", plain(told.summary), "says"));
  const more = element("div", "", "more");
  for (const scheme of (told.security ?? []).flatMap(Object.keys)) {
    more.append(element("p", `Authorization: Bearer <token>. ${components.securitySchemes[scheme].description}`));
  }
  const body = told.requestBody?.content["application/json"];
  if (body) {
    const example = element("pre");
    example.append(element("code", JSON.stringify(body.example, null, 2)));
    more.append(element("p", "A body:"), example);
  }
  more.append(showAnswers(told.responses, components));
  route.append(line, more);
  return route;
}

function showAnswers(responses, components) {
  const list = element("dl");
  for (const [status, told] of Object.entries(responses)) {
    const answered = told.$ref ? components.responses[told.$ref.split("/").pop()] : told;
    const media = Object.keys(answered.content ?? {}).join(" or ");
    const line = element("div");
    const says = told.$ref ? answered.description : [answered.description, media].join(" ").trim();
    line.append(element("dt", status), element("dd", plain(says)));
    list.append(line);
  }
  return list;
}

async function showRoutes() {
  const said = byId("routes-state");
  try {
    const { paths, components } = await (await fetch(`${base}/openapi.json`)).json();
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, told] of Object.entries(methods)) {
        byId("routes").append(showRoute(path, method, told, components));
      }
    }
    said.textContent = "Open a line for its token, a body, and what it answers.";
  } catch (failure) {
    said.textContent = `The list could not be read: ${failure.message}`;
  }
}

showRoutes();
