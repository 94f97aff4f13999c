/* One chart, two pictures: the five stars of Lyra while the five readings come in, then the
   listener's own sky. Twenty-four hours outside, stars with their names inside. */

import { svg } from "./dom.js";

const RIM = 196, RING = 155, ROOM = 146;
const polar = (radius, turn) => [radius * Math.sin(turn * 2 * Math.PI), -radius * Math.cos(turn * 2 * Math.PI)];
const point = (place) => place.map((value) => value.toFixed(1)).join(" ");
const at = (radius, turn) => point(polar(radius, turn));
const path = (d, kind) => svg("path", { d, class: kind });
const line = (from, to, kind) => path(`M${point(from)} L${point(to)}`, kind);

function label(text, attributes) {
  const node = svg("text", { "text-anchor": "middle", ...attributes });
  node.textContent = text;
  return node;
}

function dial(chart) {
  const rings = [[RIM, "rim"], [150, "rule"], [92, "rule faint"], [36, "rule faint"]];
  chart.replaceChildren(...rings.map(([r, kind]) => svg("circle", { r, class: kind })));
  for (let hour = 0; hour < 24; hour += 1) {
    chart.append(line(polar(hour % 6 ? 191 : 187, hour / 24), polar(RIM, hour / 24), "tick"));
  }
}

const LYRA = [[-72, -104], [-22, -46], [34, -32], [58, 84], [2, 72]];
const LINES = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 1]];

/* The constellation, unlit; the function lights a star, or leaves it hollow when its reading failed. */
export function constellation(chart, names) {
  dial(chart);
  chart.append(...LINES.map(([from, to]) => line(LYRA[from], LYRA[to], "line")));
  const stars = LYRA.map((place, index) => {
    const left = index === 1 || index === 4;
    const words = label(names[index], { x: left ? -16 : 16, y: 5, "text-anchor": left ? "end" : "start" });
    return svg("g", { class: "star hollow", transform: `translate(${point(place)})` }, svg("circle", { r: index ? 6 : 10 }), words);
  });
  chart.append(...stars);
  return (name, state) => stars[names.indexOf(name)]?.setAttribute("class", `star ${state}`);
}

const short = (name) => (name.length > 20 ? `${name.slice(0, 19)}…` : name);
const HOURS = [0, 6, 12, 18].map((hour) => ({ name: String(hour).padStart(2, "0"), place: polar(137, hour / 24), half: [13, 11] }));
// Letters of Chinese, Japanese and Korean are about twice as wide as others.
const width = (name) => [...short(name)].reduce((sum, letter) => sum + (letter > "⺀" ? 14 : 7.2), 14);

/* Each star is joined to the stronger star that it has the most in common with, if to any. */
function joined(stars, groups) {
  const common = (one, other) => groups.filter((names) => names.includes(one.name) && names.includes(other.name)).length;
  return stars.map((star, k) => stars.slice(0, k).reduce((best, other, i) => {
    const both = common(star, other);
    return both > best.both ? { i, both } : best;
  }, { i: -1, both: 0 }).i);
}

/* The strongest star in the middle, the others around it, what is joined side by side. */
function placed(stars, lines) {
  const order = [];
  const visit = (k) => {
    order.push(k);
    lines.forEach((from, to) => from === k && visit(to));
  };
  lines.forEach((from, k) => from < 0 && visit(k));
  const boxes = stars.map(({ name }, k) => {
    const turn = order.indexOf(k);
    return { place: turn ? polar(turn % 2 ? 96 : 62, (turn - 0.6) / (stars.length - 1)) : [0, 0], half: [width(name) / 2, 20] };
  });
  for (let round = 0; round < 300; round += 1) {
    boxes.forEach((one, i) => {
      for (const other of [...boxes.slice(i + 1), ...HOURS]) push(one, other);
      const far = Math.hypot(Math.abs(one.place[0]) + one.half[0], Math.abs(one.place[1]) + one.half[1]) / ROOM;
      if (far > 1) one.place = one.place.map((value) => value / far);
    });
  }
  return boxes.map(({ place: [x, y] }) => [x, y - 8]);
}

/* Labels that touch push each other away, along the shorter way; hours stay where they are. */
function push(one, other) {
  const apart = [0, 1].map((axis) => other.place[axis] - one.place[axis]);
  const over = [0, 1].map((axis) => one.half[axis] + other.half[axis] - Math.abs(apart[axis]));
  if (over[0] <= 0 || over[1] <= 0) return;
  const axis = over[0] < over[1] ? 0 : 1;
  const step = (over[axis] / 4) * (Math.sign(apart[axis]) || 1);
  one.place[axis] -= step;
  if (!HOURS.includes(other)) other.place[axis] += step;
}

function wedge(hour, plays, most, peak) {
  const [from, to] = [(hour + 0.1) / 24, (hour + 0.9) / 24];
  const out = RING + (31 * plays) / most;
  const d = `M${at(RING, from)} A${RING} ${RING} 0 0 1 ${at(RING, to)} L${at(out, to)} A${out} ${out} 0 0 0 ${at(out, from)}Z`;
  return path(d, hour === peak ? "bar peak" : "bar");
}

/* Draws the listener: `hours` are plays by the hour of the reader's own clock; `stars` have a name,
   a weight and words about them, the strongest first; `groups` are names that go together; `quiet` and
   `none` are what is said without plays and without stars. */
export function sky(chart, { hours, stars, groups, none, quiet }) {
  dial(chart);
  const most = Math.max(...hours, 1);
  const peak = hours.indexOf(most);
  hours.forEach((plays, hour) => plays && chart.append(wedge(hour, plays, most, peak)));
  for (const { name, place: [x, y] } of HOURS) chart.append(label(name, { x, y: y + 4, class: "hour" }));
  const lines = joined(stars, groups);
  const places = placed(stars, lines);
  lines.forEach((from, to) => from >= 0 && chart.append(line(places[from], places[to], "line")));
  stars.forEach((each, k) => chart.append(star(each, places[k], k, stars[0])));
  if (!stars.length) chart.append(label(none, { y: 5, class: "none" }));
  const plays = hours.reduce((sum, count) => sum + count, 0);
  const when = peak < 0 ? quiet : `${most} of the last ${plays} plays ended between ${peak}:00 and ${(peak + 1) % 24}:00, more than in any other hour.`;
  chart.setAttribute("aria-label", [when, ...stars.map(({ words }) => words)].join(" "));
}

function star({ name, weight, words }, place, index, strongest) {
  const radius = 3 + 6 * (weight / strongest.weight);
  const title = svg("title", {});
  title.textContent = words;
  return svg("g", { class: index ? "star" : "star lit", transform: `translate(${point(place)})` }, title, svg("circle", { r: radius.toFixed(1) }), label(short(name), { y: 22 }));
}
