/* Making nodes. Text becomes text nodes and nothing else, so there is nothing to sanitise. */

import { itemAddress } from "./links.js";

export const byId = (id) => document.getElementById(id);

function filled(node, attributes = {}, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  for (const child of children.flat(Infinity)) node.append(child); // a hundred thousand in one call overflow the stack
  return node;
}

export const el = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function button(label, act, kind = "plain") {
  const made = el("button", { type: "button", class: kind }, label);
  made.addEventListener("click", act);
  return made;
}

/* A link to an item at Spotify; words where there is no address. */
export function link(address, attributes, ...children) {
  if (!address) return el("span", attributes, children);
  return el("a", { ...attributes, href: address, target: "_blank", rel: "noopener noreferrer" }, children);
}

/* The name of a thing, cut after two lines; the whole is in its title, and at Spotify. */
export const named = ({ url, uri, name }) => link(itemAddress(url ?? uri), { dir: "auto", title: name }, name);

const { base = "", demo: invented } = document.documentElement.dataset;

/* A cover as it is, never cropped or tinted; a blank of the same size where there is none. */
export function cover(url, size) {
  const src = invented && url ? `${base}/demo/cover/${url.split("/").pop().slice(-24)}.svg` : url;
  const blank = svg("svg", { class: "cover blank", width: size, height: size });
  if (!src) return blank;
  const image = el("img", { class: "cover", src, alt: "", width: size, height: size, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blank), { once: true });
  return image;
}

export const minutes = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor((ms % 60000) / 1000)).padStart(2, "0")}`;
export const plural = (count, noun, more = "s") => `${count} ${noun}${count === 1 ? "" : more}`;
