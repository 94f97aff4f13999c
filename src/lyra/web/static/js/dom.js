/* Making nodes. Text becomes text nodes and nothing else, so there is nothing to sanitise. */

export const byId = (id) => document.getElementById(id);

function filled(node, attributes = {}, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const el = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function button(label, act, kind = "plain") {
  const made = el("button", { type: "button", class: kind }, label);
  made.addEventListener("click", act);
  return made;
}

/* Only addresses of https, and Spotify's own names for things, become links. */
export function safeLink(href) {
  const own = /^spotify:(track|artist|album|playlist|episode|show):([A-Za-z0-9]{1,64})$/.exec(href);
  if (own) return `https://open.spotify.com/${own[1]}/${own[2]}`;
  try {
    const url = new URL(href);
    return url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

export function link(href, attributes, ...children) {
  const safe = safeLink(href);
  if (!safe) return el("span", attributes, ...children);
  return el("a", { ...attributes, href: safe, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/* The name of a thing, cut after two lines; the whole is in its title, and at Spotify. */
export const named = ({ url, uri, name }) => link(url ?? uri, { dir: "auto", title: name }, name);

const invented = document.documentElement.dataset.demo;

/* A cover as it is, never cropped or tinted; a blank of the same size where there is none. */
export function cover(url, size) {
  const src = invented && url ? `/demo/cover/${url.split("/").pop().slice(-24)}.svg` : url;
  const blank = svg("svg", { class: "cover blank", width: size, height: size });
  if (!src) return blank;
  const image = el("img", { class: "cover", src, alt: "", width: size, height: size, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blank), { once: true });
  return image;
}

export const minutes = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor((ms % 60000) / 1000)).padStart(2, "0")}`;
