/* Where links may lead: to items at Spotify. A model's own lead to items of the listener alone, under a
   label that does not look like another address; all others are words. Nothing here needs a page. */

const KINDS = "artist|track|playlist|album";
const URI = new RegExp(`^spotify:(${KINDS}):([A-Za-z0-9]{1,64})$`);
const PATH = new RegExp(`^/(?:intl-[a-z-]+/)?(${KINDS})/([A-Za-z0-9]{1,64})/?$`);
// A host, a scheme, or the beginning of one, in the letters of any script.
const LIKE_ADDRESS = /[\p{L}\p{N}]\.\p{L}{2,}(?![\p{L}\p{N}.])|:\/\/|^\s*[a-z][a-z0-9+.-]*:\S|\bwww\b/iu;

const parsed = (href) => (/^https?:/i.test(href) && URL.canParse(href) ? new URL(href) : null);

/* The address of an item at Spotify, without whatever else was in it; null for all others. */
export function itemAddress(href) {
  const url = parsed(href ?? "");
  const own = url ? url.origin === "https://open.spotify.com" && !url.username && PATH.exec(url.pathname) : URI.exec(href ?? "");
  return own ? `https://open.spotify.com/${own[1]}/${own[2]}` : null;
}

/* The host that a link leads to, to be read; empty where that is Spotify's, or no host. */
export function otherHost(href) {
  const url = parsed(href);
  return url && url.host !== "open.spotify.com" ? url.host : "";
}

const names = new Map();

/* Takes these items for the listener's, in place of those before; none of nobody. */
export function learn({ top_artists: artists = [], top_tracks: top = [], recently_played: plays = [], playlists = [] } = {}) {
  names.clear();
  const tracks = [...top, ...plays.map(({ track }) => track)];
  for (const { artists: by = [], artist_ids: ids = [] } of tracks) ids.forEach((id, at) => names.set(itemAddress(`spotify:artist:${id}`), by[at]));
  for (const { url, uri, name } of [...artists, ...tracks, ...playlists]) names.set(itemAddress(url ?? uri), name);
  names.delete(null);
}

/* The address that a model's link may lead to; null where it has to be words. */
export function allowed(href, label) {
  const address = itemAddress(href);
  if (!names.has(address)) return null;
  const words = label.normalize("NFKC").trim();
  const honest = label === names.get(address) || itemAddress(words) === address || !(LIKE_ADDRESS.test(words) || /\p{Cf}/u.test(words));
  return words && honest ? address : null;
}
