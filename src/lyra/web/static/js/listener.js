/* The listener's side of the page: the chart, the lists, what is missing, how old it is. */

import { button, byId, cover, el, minutes, named } from "./dom.js";
import { learn } from "./links.js";
import { constellation, sky } from "./sky.js";

const NAMES = ["profile", "top artists", "top tracks", "recently played", "playlists"];
const called = (name) => name.replace("_", " ");
const chart = byId("chart");
const isRead = (sections, name) => sections[name]?.status === "ok";
const heading = (text) => el("h2", {}, text);
const says = (...parts) => byId("caption").replaceChildren(...parts);

/* The five stars, unlit, over empty lists. */
export function unread() {
  learn();
  says("Five readings, one for each star of Lyra");
  byId("sky-body").replaceChildren();
  chart.setAttribute("aria-label", "Nothing is read yet");
  return constellation(chart, NAMES);
}

/* Reads the listener section by section, and lights a star for each. */
export async function load(lyra) {
  const light = unread();
  for (const name of NAMES) light(name, "wait");
  byId("sky").setAttribute("aria-busy", "true");
  try {
    for await (const event of lyra.init()) {
      if (event.type === "ready") return { ready: event, profile: await lyra.profile() };
      light(called(event.name), event.status === "ok" ? "lit" : "hollow");
      says(`${called(event.name)}: ${event.ms ?? 0} ms`);
    }
  } finally {
    for (const star of chart.querySelectorAll(".wait")) star.setAttribute("class", "star hollow");
    byId("sky").removeAttribute("aria-busy");
  }
}

/* Draws everything that is known. `offers` are the page's: refresh(), wipe(), and connect's address. */
export function show({ ready, profile }, { invented, offers }) {
  const hours = Array(24).fill(0);
  for (const { played_at: when } of profile.recently_played) if (when) hours[new Date(when).getHours()] += 1;
  learn(profile);
  const quiet = isRead(ready.sections, "recently_played") ? "No recent plays." : "Recent plays were not read.";
  sky(chart, { hours, quiet, ...starsOf(profile, ready.sections) });
  says(...captionOf(profile, ready.cache, quiet), button("Refresh", offers.refresh));
  byId("sky-body").replaceChildren(
    gaps(ready.sections, offers.connect),
    tracks("Top tracks, Spotify’s ranking", profile.top_tracks),
    part("Top artists, Spotify’s ranking", "faces", profile.top_artists.slice(0, 6).map((artist) => el("li", {}, cover(artist.image, 96), named(artist)))),
    tracks("Last played, newest first", profile.recently_played.map(({ track }) => track)),
    part(listsOf(profile.playlists.length, ready.sections.playlists?.total), "rows", profile.playlists.slice(0, 5).map((each) => row(each, each.total === undefined ? "" : `${each.total} track${each.total === 1 ? "" : "s"}`))),
    el("p", { class: "credit" }, invented ? "Invented artists, tracks and covers. " : "Data from Spotify. Names link to Spotify. ", button("Forget my data", offers.wipe)),
  );
}

/* Genres, joined by artists in common; where Spotify sends none, artists joined by tracks. */
function starsOf({ top_artists: top, top_tracks: played, genre_analysis: { genres, thin } }, sections) {
  if (genres.length) {
    // Of too few artists a share says nothing.
    const stars = genres.slice(0, 9).map(({ name, share }) => ({ name, weight: thin ? 1 : share, words: thin ? `${name}.` : `${name}: ${Math.round(share * 100)} %.` }));
    return { stars, groups: top.map((artist) => artist.genres ?? []) };
  }
  const stars = top.slice(0, 7).map(({ name, rank }, place) => ({ name, weight: 7 - place, words: `${name}: number ${rank ?? place + 1}.` }));
  return { stars, groups: played.map((track) => track.artists ?? []), none: isRead(sections, "top_artists") ? "no top artists yet" : "top artists: not read" };
}

function captionOf({ recently_played: plays, top_artists: top, genre_analysis: genres }, cache, quiet) {
  const age = Math.round(cache.age_s / 60);
  const { artists_known: known, artists_considered: all } = genres;
  const inside = genres.genres.length ? ` Stars are genres, known for ${known} of ${all} top artists.` : top.length ? " Spotify sent no genres: stars are top artists." : "";
  const calls = cache.spotify_calls ? ` Read with ${cache.spotify_calls} Spotify calls.` : "";
  const when = cache.state === "stale" ? ` ${age} min old: Spotify cannot be asked.` : age ? ` Read ${age} min ago.` : calls;
  const outside = plays.length ? "Last plays by the hour they ended in, your time." : quiet;
  return [outside, el("span", {}, `${inside}${when} `)];
}

function gaps(sections, connect) {
  const missing = Object.entries(sections).filter(([, { status }]) => status !== "ok");
  if (!missing.length) return "";
  const lines = missing.map(([name, { message, status }]) => {
    const again = status === "forbidden" && connect ? [" ", el("a", { href: connect }, "Connect again")] : [];
    return el("li", {}, el("strong", {}, called(name)), ` ${message ?? status}`, ...again);
  });
  return el("div", { class: "gaps" }, heading("Not read"), el("ul", {}, ...lines));
}

/* How many of how many playlists are shown; Spotify may not say how many there are. */
function listsOf(count, total) {
  if (count <= 5) return "Playlists";
  return total ? `Playlists, 5 of ${total.toLocaleString("en")}` : "Playlists, the first 5";
}

const part = (title, kind, items) => (items.length ? el("section", {}, heading(title), el("ol", { class: kind }, ...items)) : "");

function row(item, under, end = "") {
  const words = el("div", {}, named(item), el("span", { class: "dim", dir: "auto" }, under));
  return el("li", {}, cover(item.image, 44), words, el("span", { class: "dim num" }, end));
}

const tracks = (title, items) => part(title, "rows", items.slice(0, 5).map((track) => row(track, (track.artists ?? []).join(", "), track.duration_ms ? minutes(track.duration_ms) : "")));
