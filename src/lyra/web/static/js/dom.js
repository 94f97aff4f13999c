/* Making nodes. Text becomes text nodes and nothing else, so there is nothing to sanitise. */

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function button(label, act, kind = "plain") {
  const made = el("button", { type: "button", class: kind }, label);
  made.addEventListener("click", act);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const spotify = (uri) => /^spotify:(track|artist|album|playlist|episode|show):([A-Za-z0-9]{1,64})$/.exec(uri ?? "");

/* Only addresses of https, and Spotify's own names for things, become links. */
export function safeLink(href) {
  const own = spotify(href);
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

const demo = Boolean(document.documentElement.dataset.demo);

/* A cover as it is, never cropped or tinted; a blank of the same size where there is none. */
export function cover(url, size, attributes = {}) {
  const source = demo && url ? `/demo/cover/${url.split("/").pop().slice(-24)}.svg` : url;
  const blank = () => el("span", { ...attributes, class: `cover blank ${attributes.class ?? ""}`, "data-size": size });
  if (!source) return blank();
  const image = el("img", {
    ...attributes, class: `cover ${attributes.class ?? ""}`, src: source, alt: "", width: size, height: size, loading: "lazy", decoding: "async",
  });
  image.addEventListener("error", () => image.replaceWith(blank()), { once: true });
  return image;
}

export const minutes = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor((ms % 60000) / 1000)).padStart(2, "0")}`;
