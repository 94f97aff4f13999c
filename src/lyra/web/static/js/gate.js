/* The way in: log-in and consent, or a token. It is loaded where it is needed, which no demo does. */

const GOES = {
  full: (to) => `With each question a summary goes to ${to}: genres, names of artists, tracks, albums and playlists, what playlists say of themselves, and when you played. Where an answer needs them, your favourites of other times and the tracks of your own playlists go too.`,
  minimal: (to) => `With each question genres and counts of years, hours and playlists go to ${to}, no names.`,
  none: (to) => `None of it goes to ${to}; your questions do.`,
};
const goes = ({ offline, context, model, provider }) =>
  offline
    ? "No language model is connected: it stays on this server."
    : GOES[context](`${model} at ${provider}`) + " Your time zone goes along.";

/* `page` is what the page lends: its client, what makes nodes, and what it says and does. */
export class Gate {
  constructor(page) {
    this.page = page;
    page.byId("out").addEventListener("click", () => this.leave());
  }

  /* Lets in who is logged in and has agreed; asks all others. */
  async arrive() {
    const { byId, listen, lyra, notice, retry } = this.page;
    try {
      const session = await lyra.session();
      byId("out").hidden = !session.signed_in;
      if (!session.signed_in) this.enter("Connect Spotify, and ask about what you play.");
      else if (session.consented) listen();
      else this.#consent(session);
    } catch (failure) {
      notice(failure.message, retry(() => this.arrive()));
    }
  }

  #consent(session) {
    const { button, listen, lyra, notice, shut, who } = this.page;
    who("Connected"); // by name only once it may be read
    const yes = () => lyra.agree(session).then(listen, ({ message }) => notice(message));
    const what = "Lyra reads your profile, top artists and tracks, last plays and playlists from Spotify.";
    shut(`${what} ${goes(session)}`, button("Agree and read", yes, "go"), button("No, sign out", () => this.leave()));
  }

  /* Asks for a log-in, or for a token where there is none. */
  enter(why) {
    const { el, listen, login, lyra, shut, told } = this.page;
    if (login) return shut(why, el("a", { class: "go", href: login }, "Connect Spotify"));
    const what = "Spotify access token";
    const box = el("input", { id: "token", type: "password", required: "", autocomplete: "off", placeholder: what, "aria-label": what });
    const form = el("form", { class: "pair" }, box, el("button", { class: "go" }, "Begin"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      lyra.token = box.value.trim();
      listen();
    });
    shut(why, form, el("p", { class: "dim" }, goes(told)));
    box.focus();
  }

  async leave() {
    const { gone, home, lyra, notice } = this.page;
    try {
      await lyra.logout();
      gone();
      location.assign(`${home}/`);
    } catch (failure) {
      notice(failure.message);
    }
  }
}
