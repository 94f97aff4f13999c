/* One chart, two pictures: the five stars of Lyra while the five readings come in, then the
   listener's own sky. Twenty-four hours outside, genres as stars inside. */

import { svg } from "./dom.js";

const RIM = 196, RING = 155, INNER = 104;
const polar = (radius, turn) => [radius * Math.sin(turn * 2 * Math.PI), -radius * Math.cos(turn * 2 * Math.PI)];
const at = (radius, turn) => polar(radius, turn).map((value) => value.toFixed(1)).join(" ");
const path = (d, kind) => svg("path", { d, class: kind });

function label(text, attributes) {
  const node = svg("text", attributes);
  node.textContent = text;
  return node;
}

function dial(chart) {
  const rings = [[RIM, "rim"], [150, "rule"], [92, "rule faint"], [36, "rule faint"]];
  chart.replaceChildren(...rings.map(([r, kind]) => svg("circle", { r, class: kind })));
  for (let hour = 0; hour < 24; hour += 1) {
    chart.append(path(`M${at(hour % 6 ? 191 : 187, hour / 24)} L${at(RIM, hour / 24)}`, "tick"));
  }
}

const STARS = [[-72, -104], [-22, -46], [34, -32], [58, 84], [2, 72]];
const LINES = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 1]];

/* The constellation, unlit; the function lights a star, or leaves it hollow when its reading failed. */
export function constellation(chart, names) {
  dial(chart);
  for (const [from, to] of LINES) chart.append(path(`M${STARS[from].join(" ")} L${STARS[to].join(" ")}`, "line"));
  const stars = STARS.map(([x, y], index) => {
    const left = index === 1 || index === 4;
    const words = label(names[index], { x: left ? -16 : 16, y: 5, "text-anchor": left ? "end" : "start" });
    return svg("g", { class: "star wait", transform: `translate(${x} ${y})` }, svg("circle", { r: index ? 6 : 10 }), words);
  });
  chart.append(...stars);
  return (name, well) => stars[names.indexOf(name)]?.setAttribute("class", well ? "star lit" : "star hollow");
}

const short = (name) => (name.length > 20 ? `${name.slice(0, 19)}…` : name);

/* The strongest genre in the middle, the others around it; labels that touch push each other away. */
function spread(genres) {
  const boxes = genres.map(({ name }) => [7.2 * short(name).length + 14, 38]);
  const places = genres.map((_, i) => (i ? polar(i % 2 ? 96 : 64, (i - 1) / Math.max(genres.length - 1, 1) + 0.06) : [0, -8]));
  for (let round = 0; round < 300; round += 1) {
    for (let i = 0; i < places.length; i += 1) for (let j = i + 1; j < places.length; j += 1) push(places, boxes, i, j);
  }
  return places;
}

function push(places, boxes, i, j) {
  const apart = [0, 1].map((axis) => places[j][axis] - places[i][axis]);
  const overlap = [0, 1].map((axis) => (boxes[i][axis] + boxes[j][axis]) / 2 - Math.abs(apart[axis]));
  if (overlap[0] <= 0 || overlap[1] <= 0) return;
  const axis = overlap[0] < overlap[1] ? 0 : 1;
  const step = (overlap[axis] / 4) * (Math.sign(apart[axis]) || 1);
  places[i][axis] -= step;
  places[j][axis] += step;
  for (const place of [places[i], places[j]]) {
    const far = Math.hypot(...place) / INNER;
    if (far > 1) [place[0], place[1]] = [place[0] / far, place[1] / far];
  }
}

function wedge(hour, plays, most) {
  const [from, to] = [(hour + 0.1) / 24, (hour + 0.9) / 24];
  const out = RING + (31 * plays) / most;
  const d = `M${at(RING, from)} A${RING} ${RING} 0 0 1 ${at(RING, to)} L${at(out, to)} A${out} ${out} 0 0 0 ${at(out, from)}Z`;
  return path(d, plays === most ? "bar peak" : "bar");
}

/* Draws the listener: `hours` are plays by the hour of the reader's own clock, genres by share. */
export function sky(chart, { hours, genres, middle }) {
  dial(chart);
  const most = Math.max(...hours, 1);
  hours.forEach((plays, hour) => plays && chart.append(wedge(hour, plays, most)));
  for (const hour of [0, 6, 12, 18]) {
    const [x, y] = polar(137, hour / 24);
    chart.append(label(String(hour).padStart(2, "0"), { x, y: y + 4, class: "hour", "text-anchor": "middle" }));
  }
  const shown = genres.slice(0, 9);
  const places = spread(shown);
  places.slice(1).forEach((place, i) => {
    const from = places[i > 1 ? i - 1 : 0];
    chart.append(path(`M${from.map((v) => v.toFixed(1)).join(" ")} L${place.map((v) => v.toFixed(1)).join(" ")}`, "line"));
  });
  shown.forEach((genre, i) => chart.append(star(genre, places[i], i)));
  if (!shown.length) middle.forEach((line, i) => chart.append(label(line, { y: (i - middle.length / 2) * 22 + 16, class: "middle", "text-anchor": "middle" })));
  chart.setAttribute("aria-label", described(hours, most, shown));
}

function star({ name, share }, [x, y], index) {
  const radius = 3 + 24 * Math.min(share, 0.5);
  const title = svg("title", {});
  title.textContent = `${name}: ${Math.round(share * 100)} %`;
  const words = label(short(name), { y: (radius + 14).toFixed(1), "text-anchor": "middle" });
  const where = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
  return svg("g", { class: index ? "star lit" : "star lit first", transform: where }, title, svg("circle", { r: radius.toFixed(1) }), words);
}

function described(hours, most, genres) {
  const peak = hours.indexOf(most);
  const when = peak < 0 ? "No recent plays." : `Most of your last plays began around ${peak}:00.`;
  const what = genres.map(({ name, share }) => `${name} ${Math.round(share * 100)} percent`).join(", ");
  return what ? `${when} Genres: ${what}.` : `${when} Spotify sent no genres.`;
}
