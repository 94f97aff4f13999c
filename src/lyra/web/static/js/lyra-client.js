/* A client of Lyra's HTTP API, without dependencies; copy it into your own front end.

   const lyra = new Lyra({ base: "https://lyra.example.org", token });
   for await (const event of lyra.init()) console.log(event.name ?? event.type);
   for await (const part of lyra.chat({ message: "Which artists do I play most?", id: "chat-1" }))
     if (part.type === "text-delta") process.stdout.write(part.delta);

   `token` is the listener's Spotify access token; assign a new one when it has been renewed. Without it
   the browser's session cookie is used. Every refusal is a LyraError: `code`, `message`, `status`, whether
   it is `retryable`, after how many seconds (`wait`), and what to do first (`action`: "reauthorize",
   "consent", "grant_playlists" or "grant_public_playlists"). An answer that ends without its end mark is read on where it broke, so that a lost
   connection loses no words. It runs in browsers and in Node 20. */

export class LyraError extends Error {
  constructor({ code, message, retryable = false, action, retry_after_s: wait }, status = 0) {
    super(message);
    Object.assign(this, { name: "LyraError", code, retryable, action, wait, status });
  }
}

/* The listener's own clock: answers, summary and suggestions speak of its hours. */
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const LOST = { code: "connection_lost", message: "The connection to Lyra was lost.", retryable: true };
const PAUSES = [300, 1000, 3000];
const sleep = (ms, signal) => new Promise((done) => {
  setTimeout(done, ms);
  signal?.addEventListener("abort", done);
});
function unlessLost(failure) {
  if (!failure.retryable) throw failure;
}

export class Lyra {
  #base;

  constructor({ base = "", token } = {}) {
    this.#base = base;
    this.token = token;
  }

  /* Loads the listener: one `section` event for each of the five Spotify calls, then `ready`. */
  async *init({ signal } = {}) {
    const response = await this.#ask("POST", "/lyra/init", { signal, accept: "text/event-stream" });
    for await (const { data } of events(response)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.type === "error") throw new LyraError(event.error, response.status);
      yield event;
    }
    throw new LyraError(LOST);
  }

  /* The parts of one answer, each with its `event` id. `id` names the chat, for `stop` and `resume`.
     `history` is [{ role, content }]. Aborting the signal only stops reading: use `stop` too. */
  async *chat({ message, history = [], id, signal }) {
    const body = { message, history, id, resumable: true };
    const response = await this.#ask("POST", "/lyra/chat", { body, signal });
    yield* this.#parts(response, signal);
  }

  /* The rest of a running answer after the event id `after`, else all of it. Nothing, if there is
     none. `name` is a run's id or a chat's. */
  async *resume(name, { after, signal } = {}) {
    const response = await this.#again(name, after, signal);
    if (response.status !== 204) yield* this.#parts(response, signal);
  }

  /* Ends a running answer, wherever it is read. */
  async stop(name) {
    await this.#ask("POST", `/lyra/chat/${encodeURIComponent(name)}/stop`);
  }

  /* The listening data: artists, tracks, plays by hour, genres, suggestions. */
  async profile() {
    return (await this.#ask("GET", "/lyra/profile")).json();
  }

  /* A proposed playlist of a "data-playlist" part, as far as it has come: `state` is "open", "begun" or "saved". */
  async playlist(id) {
    return (await (await this.#ask("GET", `/lyra/playlists/${encodeURIComponent(id)}`)).json()).proposal;
  }

  /* Saves a proposed playlist, as it is or with a `name` and these `uris` of its own; saved again it is the same one. */
  async savePlaylist(id, { name, uris } = {}) {
    const body = { name, uris };
    return (await (await this.#ask("POST", `/lyra/playlists/${encodeURIComponent(id)}`, { body })).json()).playlist;
  }

  /* Forgets a proposed playlist; what was saved stays at Spotify. */
  async dismissPlaylist(id) {
    await this.#ask("DELETE", `/lyra/playlists/${encodeURIComponent(id)}`);
  }

  /* Forgets everything that Lyra holds of this listener. */
  async forget() {
    await this.#ask("DELETE", "/lyra/session");
  }

  /* Who is logged in by the session's cookie, and where their data would go. */
  async session() {
    return (await this.#ask("GET", "/auth/session")).json();
  }

  /* Agrees that these data go to this model at this host; before, nothing is read for a log-in but whose it is. */
  async agree({ model, context, provider }) {
    await this.#ask("POST", "/auth/consent", { body: { model, context, provider } });
  }

  /* Ends the log-in, and forgets what is held of its listener. */
  async logout() {
    await this.#ask("POST", "/auth/logout");
  }

  async *#parts(response, signal) {
    let last;
    for (let pauses = [...PAUSES]; ; ) {
      try {
        for await (const { id, data } of response ? events(response) : []) {
          if (data === "[DONE]") return;
          last = id;
          pauses = [...PAUSES];
          yield { ...JSON.parse(data), event: id };
        }
      } catch (failure) {
        if (signal?.aborted) throw failure;
      }
      // It broke off: read on behind the last part, unless there was none, or the answer is gone.
      if (!last || !pauses.length) throw new LyraError(LOST);
      await sleep(pauses.shift(), signal);
      response = await this.#again(last.split(".")[0], last, signal).catch(unlessLost);
      if (response?.status === 204) throw new LyraError(LOST);
    }
  }

  #again(name, after, signal) {
    const more = after ? { "Last-Event-ID": after } : {};
    return this.#ask("GET", `/lyra/chat/${encodeURIComponent(name)}/stream`, { signal, more });
  }

  async #ask(method, path, { body, signal, accept, more } = {}) {
    const headers = { ...(ZONE && { "X-Timezone": ZONE }), ...more };
    if (accept) headers.Accept = accept;
    if (body) headers["Content-Type"] = "application/json";
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const sent = { method, headers, signal, body: body && JSON.stringify(body) };
    const response = await fetch(this.#base + path, sent).catch((failure) => {
      throw signal?.aborted ? failure : new LyraError(LOST);
    });
    if (response.ok) return response;
    const told = await response.json().catch(() => null);
    const error = told?.error ?? { code: "unknown", message: `Lyra answered ${response.status}.` };
    throw new LyraError(error, response.status);
  }
}

/* Server-sent events of a fetch response; EventSource can neither POST nor send a header. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", id = "", data = [];
  try {
    for (;;) {
      const { value = "", done } = await reader.read();
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "data") data.push(text);
        else if (field === "id") id = text;
        else if (line === "" && data.length) {
          yield { id, data: data.join("\n") };
          data = [];
        }
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
