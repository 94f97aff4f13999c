/* A proposed playlist as a card: what would be in it, what the listener changes, and what becomes of it.
   It is loaded with the first of them. Nothing is saved but by the listener's press. */

const TRIES = 3; // that follow by themselves, where trying again helps
const LONGEST_S = 60; // that the next one is waited for
const GRANTS = {
  grant_playlists: { goal: "playlists", scope: "playlist-modify-private", what: "make playlists" },
  grant_public_playlists: { goal: "public_playlists", scope: "playlist-modify-public", what: "change playlists that are on your profile" },
};
const EXPIRED = "This proposal is not there any more: it could be saved for half an hour. Ask again for a new one.";
const MARKS = [["↑", "Move up"], ["↓", "Move down"], ["✕", "Take out"]];
const span = (seconds) => (seconds > 5400 ? `${Math.ceil(seconds / 3600)} h` : seconds > 90 ? `${Math.ceil(seconds / 60)} min` : `${seconds} s`);

export class PlaylistCard {
  /* Fills `node`. `shown` is what the server proposes, its `name` and `uris` as the listener wants them,
     and `end` once it is "dismissed" or "expired"; its owner keeps it. `page` is what the page lends. */
  constructor(node, shown, page) {
    const { button, el } = page;
    Object.assign(this, { node, page, shown, busy: "", told: "", failed: false, grant: null, wait: 0 });
    this.songs = new Map(shown.tracks.map((track) => [track.uri, track]));
    this.kind = el("p", { class: "dim" });
    this.title = el("h3", { dir: "auto" });
    this.box = el("input", { maxlength: 100, dir: "auto", autocomplete: "off" });
    this.label = el("label", {}, "Name", this.box);
    this.sum = el("p", { class: "dim num" });
    this.acts = el("div", { class: "pair" });
    this.status = el("p", { class: "said", tabindex: -1 });
    this.rows = el("ol", { class: "rows" });
    this.main = button("", () => this.save(), "go");
    this.edit = button("Edit list", () => this.#toggle());
    this.undo = button("As proposed", () => this.#undo());
    this.drop = button("Dismiss", () => this.#dismiss());
    const notes = el("ul", { class: "dim" }, (shown.notes ?? []).map((note) => el("li", { dir: "auto" }, note)));
    const about = shown.description ? el("p", { class: "dim", dir: "auto" }, shown.description) : "";
    this.proposed = shown.proposed ??= { name: shown.name, uris: shown.uris };
    this.box.value = shown.name;
    this.box.addEventListener("input", () => this.#name());
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // it would press the button that has the focus next
      this.#toggle();
    });
    node.append(this.kind, this.title, this.label, this.sum, about, shown.notes ? notes : "", this.acts, this.status, this.rows);
    this.#fill();
    this.#show();
  }

  get open() {
    return !this.busy && !this.shown.end && this.shown.state === "open";
  }

  /* Asks the server how far it has come, here or elsewhere; without an answer all stays as it is. */
  look() {
    return (this.looking ??= this.#look().finally(() => { this.looking = null; }));
  }

  async #look() {
    const { page, shown } = this;
    if (shown.end) return;
    try {
      const told = await page.lyra.playlist(shown.id);
      // What is begun or saved is fixed; before, it is as the listener has it here.
      if (told.state !== "open") Object.assign(shown, told);
      else if (shown.state === "begun") shown.state = "open";
    } catch ({ status }) {
      if (status !== 404 || shown.state === "saved") return;
      shown.end = "expired";
    }
    this.#fill();
    this.#show();
    page.keep();
  }

  /* Brings it before the reader; `choice` is what was wanted when they left. */
  arrive(choice = {}) {
    if (this.open && choice.uris) {
      Object.assign(this.shown, { name: choice.name ?? this.shown.name, uris: choice.uris.filter((uri) => this.songs.has(uri)) });
      this.#fill();
      this.#show();
    }
    this.node.scrollIntoView({ block: "start" });
    this.#first().focus({ preventScroll: true });
  }

  async save() {
    const { page, shown } = this;
    if (this.busy || this.wait || !shown.uris.length) return;
    this.editing = false;
    this.grant = null;
    let failure;
    for (let tries = 0; ; tries += 1) {
      this.busy = "Saving…";
      this.failed = false;
      this.#tell("Saving…");
      failure = await page.lyra.savePlaylist(shown.id, this.#choice()).then(
        (playlist) => { Object.assign(shown, { playlist, state: "saved" }); },
        (refusal) => refusal,
      );
      const { retryable, wait = 2 ** tries } = failure ?? {};
      if (!retryable || tries === TRIES || wait > LONGEST_S) break;
      this.busy = "Try again";
      this.#tell(`${failure.message} Trying again by itself, ${tries + 1} of ${TRIES}.`);
      if (!await this.#pause(wait)) return;
    }
    if (failure) return this.#fail(failure);
    this.busy = "";
    this.#tell();
    this.look(); // another tab may have saved it first, and otherwise
  }

  async #fail(failure) {
    const { page } = this;
    const { action, message, retryable, status, wait } = failure;
    if (retryable || status === 404) await this.look(); // it may have begun, be done, or be gone
    this.busy = "";
    if (GRANTS[action]) return this.#ask(GRANTS[action]);
    this.failed = retryable;
    this.#tell(message);
    if (retryable && wait) this.#pause(wait);
    if (action) page.asked(failure);
  }

  /* Says what it takes that Spotify lets it be saved. */
  #ask({ goal, scope, what }) {
    const { button, el, invented, leave, login, paste } = this.page;
    if (login) {
      this.grant = el("a", { class: "go", href: `${login}?for=${goal}` }, "Go to Spotify");
      this.grant.addEventListener("click", () => leave({ id: this.shown.id, save: true, ...this.#choice() }));
      this.#tell(`Spotify asks you once to let Lyra ${what}. Then you are back here, and this is saved.`);
    } else {
      const more = invented ? "" : " Paste one that has it.";
      const again = () => {
        this.grant = null;
        this.#tell();
        paste();
      };
      if (!invented) this.grant = button("Paste another token", again, "go");
      this.#tell(`This token may not ${what}: it lacks the scope ${scope}.${more}`);
    }
  }

  #choice() {
    const { extends: more, name, uris } = this.shown;
    return more ? { uris } : { name, uris };
  }

  /* Counts down on the button; resolves to whether the time has come before it was ended. */
  #pause(seconds) {
    const due = Date.now() + seconds * 1000;
    return new Promise((done) => {
      const tick = () => {
        this.wait = Math.max(0, Math.ceil((due - Date.now()) / 1000));
        this.#label();
        if (this.wait) this.timer = setTimeout(tick, 250);
        else done(this.node.isConnected);
      };
      this.end = () => {
        clearTimeout(this.timer);
        this.wait = 0;
        done(false);
      };
      tick();
      this.#show(); // it can be dismissed meanwhile
    });
  }

  async #dismiss() {
    const { page, shown } = this;
    this.end?.();
    this.editing = false;
    this.busy = "Dismissing…";
    this.#show();
    const failure = await page.lyra.dismissPlaylist(shown.id).catch((refusal) => refusal);
    this.busy = "";
    if (!failure || failure.status === 404) shown.end = "dismissed";
    this.#tell(failure?.message ?? "");
    if (!shown.end && failure.action) page.asked(failure);
  }

  /* ---- what the listener changes */

  #toggle() {
    this.editing = !this.editing;
    this.#show();
    (this.editing && !this.shown.extends ? this.box : this.edit).focus();
  }

  #undo() {
    Object.assign(this.shown, this.proposed);
    this.box.value = this.shown.name;
    this.#fill();
    this.#changed(`As proposed: ${this.#count()}.`);
    this.edit.focus();
  }

  #name() {
    this.shown.name = this.box.value.trim() || this.proposed.name;
    this.#changed();
  }

  #move(row, up) {
    const { rows } = this;
    const other = up ? row.previousElementSibling : row.nextElementSibling;
    const { name } = this.songs.get(row.dataset.uri);
    if (!other) return this.page.say(`${name} is ${up ? "the first" : "the last"} already.`);
    // It is the other that is moved: what is moved loses the focus.
    if (up) row.after(other);
    else row.before(other);
    row.scrollIntoView({ block: "nearest" });
    this.#listed(() => `${name} is number ${[...rows.children].indexOf(row) + 1} of ${rows.children.length} now.`);
  }

  #take(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#listed(() => `${this.songs.get(row.dataset.uri).name} is taken out. ${this.#count()} left.`);
    (next ? next.querySelector("button:last-of-type") : this.undo).focus();
  }

  #listed(words) {
    this.shown.uris = [...this.rows.children].map((row) => row.dataset.uri);
    this.#changed(words());
  }

  #changed(text) {
    this.told = "";
    this.failed = false;
    this.#show();
    this.page.keep();
    if (text) this.page.say(text);
  }

  /* ---- what is seen */

  #fill() {
    this.songs = new Map([...this.songs, ...this.shown.tracks.map((track) => [track.uri, track])]);
    const order = this.shown.uris.filter((uri) => this.songs.has(uri));
    const before = [...this.rows.children].map((row) => row.dataset.uri);
    if (String(order) !== String(before)) this.rows.replaceChildren(...order.map((uri) => this.#row(this.songs.get(uri))));
  }

  #row(track) {
    const { button, cover, el, minutes, named } = this.page;
    const { artists = [], duration_ms: length, image, name, uri } = track;
    const under = el("span", { class: "dim new" }, el("bdi", {}, artists.join(", ")), track.new ? [" ", el("b", {}, "New to you")] : "");
    const acts = [(row) => this.#move(row, true), (row) => this.#move(row, false), (row) => this.#take(row)];
    const moves = MARKS.map(([mark, what], at) => {
      const made = button(mark, () => acts[at](row));
      made.setAttribute("aria-label", `${what}: ${name}`);
      return made;
    });
    const row = el("li", { "data-uri": uri }, cover(image, 44), el("div", {}, named(track), under), el("span", { class: "dim num" }, length ? minutes(length) : ""), el("span", { class: "moves" }, moves));
    return row;
  }

  /* How many songs it has, and how long they take where that is known of all. */
  #count() {
    const { page, shown, songs } = this;
    const lengths = shown.uris.map((uri) => songs.get(uri)?.duration_ms);
    const sum = lengths.reduce((all, one) => all + one, 0);
    return page.plural(lengths.length, "song") + (sum ? `, ${Math.round(sum / 60000)} min` : "");
  }

  #tell(told = "") {
    this.told = told;
    this.#show();
    this.page.keep();
    this.page.say(this.status.textContent);
  }

  #words() {
    const { page, shown } = this;
    const { end, extends: more, playlist, state } = shown;
    if (end) return end === "expired" ? [EXPIRED] : [state === "begun" ? "Dismissed. What was saved of it stays at Spotify." : "Dismissed. Nothing was saved."];
    if (playlist) {
      const songs = page.plural(playlist.count, "song");
      const what = more ? `Added: ${songs}` : `Saved: ${songs}, not shown on your profile`;
      return [what, " · ", page.link(page.itemAddress(playlist.url ?? playlist.uri), {}, "Open in Spotify")];
    }
    if (this.told) return [this.told];
    if (state === "begun" && !this.busy) return ["Saving was begun, and is not finished."];
    return shown.uris.length ? [] : ["No song is left."];
  }

  #label() {
    const { busy, failed, main, shown, wait } = this;
    const usual = shown.extends ? "Add to this playlist" : "Save to Spotify";
    const label = busy || (shown.state === "begun" ? "Finish saving" : failed ? "Try again" : usual);
    main.textContent = wait ? `${label} in ${span(wait)}` : label;
    main.setAttribute("aria-disabled", Boolean(busy || wait || !shown.uris.length));
  }

  #show() {
    const { acts, busy, editing, kind, node, open, proposed, rows, shown, status } = this;
    const { end, expires_at: until, extends: more, name, state } = shown;
    const over = Boolean(end || state === "saved");
    const active = document.activeElement;
    const inside = node.contains(active);
    const saved = state === "saved";
    kind.textContent = more ? `${saved ? "Added to" : "Proposed for"} your playlist` : `${saved ? "Saved" : "Proposed"} playlist`;
    this.title.textContent = name;
    const time = new Date(until);
    const limit = over || Number.isNaN(+time) ? "" : `, to be saved until ${time.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false })}`;
    this.sum.textContent = `${this.#count()}${limit}`;
    node.setAttribute("aria-label", `${kind.textContent}: ${name}`);
    node.setAttribute("aria-busy", Boolean(busy));
    node.classList.toggle("edit", Boolean(editing && open));
    node.classList.toggle("over", Boolean(end));
    this.label.hidden = !(editing && open) || Boolean(more);
    this.title.hidden = !this.label.hidden;
    if (this.label.hidden) this.box.value = name;
    for (const row of rows.children) {
      const [up, down] = row.querySelectorAll("button");
      up.setAttribute("aria-disabled", !row.previousElementSibling);
      down.setAttribute("aria-disabled", !row.nextElementSibling);
    }
    status.replaceChildren(...this.#words());
    status.classList.toggle("oops", Boolean(this.failed && !over));
    this.edit.textContent = editing ? "Done" : "Edit list";
    this.#label();
    const changed = name !== proposed.name || String(shown.uris) !== String(proposed.uris);
    const offered = over ? [] : [this.grant ?? this.main, open && this.edit, open && editing && changed && this.undo, (!busy || this.wait) && this.drop];
    const wanted = offered.filter(Boolean);
    if (wanted.length !== acts.children.length || wanted.some((each, at) => each !== acts.children[at])) acts.replaceChildren(...wanted);
    if (inside && document.activeElement !== active) (active.isConnected ? active : this.#first()).focus({ preventScroll: true });
  }

  /* Where the focus goes when what had it is gone. */
  #first() {
    return this.acts.firstElementChild ?? this.status.querySelector("a") ?? this.status;
  }
}
