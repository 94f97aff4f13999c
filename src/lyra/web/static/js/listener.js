/* The listener's side of the page: the chart, the lists, what is missing, how old it is. */

import { button, byId, cover, el, link, minutes } from "./dom.js";
import { constellation, sky } from "./sky.js";

const NAMES = { profile: "profile", top_artists: "top artists", top_tracks: "top tracks", recently_played: "recently played", playlists: "playlists" };
const chart = byId("chart");
const caption = byId("caption");
const rows = (tag, kind, items) => el(tag, { class: kind }, ...items);
const heading = (text) => el("h2", {}, text);

/* Reads the listener section by section, and lights a star for each. */
export async function load(lyra) {
  const light = constellation(chart, Object.values(NAMES));
  caption.textContent = "Five readings, one for each star of Lyra";
  for await (const event of lyra.init()) {
    if (event.type === "section") {
      light(NAMES[event.name], event.status === "ok");
      caption.textContent = `${NAMES[event.name]}: ${event.ms ?? 0} ms`;
    } else if (event.type === "ready") {
      return { ready: event, profile: await lyra.profile() };
    }
  }
}

/* Draws everything that is known. `offers` are the page's: refresh(), wipe(). */
export function show({ ready, profile }, { demo, offers }) {
  const hours = Array(24).fill(0);
  for (const { played_at: when } of profile.recently_played) if (when) hours[new Date(when).getHours()] += 1;
  const genres = profile.genre_analysis.genres;
  sky(chart, { hours, genres, middle: middleOf(profile) });
  caption.replaceChildren(...captionOf(profile, ready.cache, offers.refresh));
  const parts = [
    gaps(ready.sections),
    tracks("Most played", profile.top_tracks.slice(0, 5)),
    artists(profile.top_artists.slice(0, 6)),
    tracks("Last played", recent(profile.recently_played)),
    playlists(profile.playlists.slice(0, 5)),
    credit(demo, offers),
  ];
  byId("sky-body").replaceChildren(...parts.filter(Boolean));
}

function middleOf({ top_artists: artists, genre_analysis: genres }) {
  const [first, second] = artists.map(({ name }) => (name.length > 24 ? `${name.slice(0, 23)}…` : name));
  const none = genres.source === "none" ? "Spotify sent no genres" : "no genres are known";
  return artists.length ? [first, second ?? "", none].filter(Boolean) : ["nothing played yet"];
}

function captionOf({ recently_played: plays, genre_analysis: genres }, cache, refresh) {
  const age = Math.round(cache.age_s / 60);
  const old = cache.state === "stale" ? `, ${age} min old, Spotify cannot be asked` : age ? `, read ${age} min ago` : "";
  const known = genres.artists_considered ? `. Genres known for ${genres.artists_known} of ${genres.artists_considered} artists` : "";
  const calls = cache.spotify_calls ? `. ${cache.spotify_calls} Spotify calls, then none` : "";
  const text = `Last ${plays.length} plays by hour${known}${calls}${old}. `;
  return [plays.length ? text : `No recent plays${known}${calls}${old}. `, button("Refresh", refresh)];
}

function gaps(sections) {
  const missing = Object.entries(sections).filter(([, { status }]) => status !== "ok");
  if (!missing.length) return null;
  const lines = missing.map(([name, { message, status }]) => el("li", {}, el("strong", {}, NAMES[name]), ` ${message ?? status}`));
  return el("div", { class: "gaps" }, heading("Not read"), rows("ul", "", lines));
}

const recent = (plays) => plays.slice(0, 5).map(({ track }) => track);

function tracks(title, items) {
  if (!items.length) return null;
  const lines = items.map(({ name, artists = [], url, image, duration_ms: ms }) => {
    const words = el("div", {}, link(url, { dir: "auto" }, name), el("span", { class: "dim", dir: "auto" }, artists.join(", ")));
    return el("li", {}, cover(image, 44), words, el("span", { class: "dim num" }, ms ? minutes(ms) : ""));
  });
  return el("section", {}, heading(title), rows("ol", "rows", lines));
}

function artists(items) {
  if (!items.length) return null;
  const faces = items.map(({ name, url, image }) => el("li", {}, cover(image, 96), link(url, { dir: "auto" }, name)));
  return el("section", {}, heading("Artists"), rows("ul", "faces", faces));
}

function playlists(items) {
  if (!items.length) return null;
  const lines = items.map(({ name, url, image, total }) => {
    const words = el("div", {}, link(url, { dir: "auto" }, name), el("span", { class: "dim" }, total === undefined ? "" : `${total} tracks`));
    return el("li", {}, cover(image, 44), words);
  });
  return el("section", {}, heading("Playlists"), rows("ul", "rows", lines));
}

function credit(demo, { wipe }) {
  const text = demo ? "Invented artists, tracks and covers." : "Data from Spotify. Names link to Spotify.";
  return el("p", { class: "credit" }, text, " ", button("Forget my data", wipe));
}
