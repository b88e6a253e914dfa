// What similarities mean: a scale in powers of ten of strangers, and a threshold to move on it.

import { h } from "./dom.js";

const STEPS = 100; // of the slider, for each power of ten
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** The logarithm of the part of strangers at a similarity, and back. points: [{ similarity, strangers }], ascending. */
const logAt = (points, value) => between(points.map((p) => [p.similarity, Math.log10(p.strangers)]), value);
const similarityAt = (points, log) => between(points.map((p) => [Math.log10(p.strangers), p.similarity]).reverse(), log);

function between(pairs, x) {
  const next = pairs.findIndex(([at]) => at >= x);
  if (next === 0) return pairs[0][1];
  if (next < 0) return pairs.at(-1)[1];
  const [[x0, y0], [x1, y1]] = [pairs[next - 1], pairs[next]];
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}

/** "1 in 10,000", "1 in a million". */
export function oneIn(log) {
  const many = 10 ** -log;
  if (many >= 950_000) return many < 1_050_000 ? "1 in a million" : `1 in ${digits.format(many / 1e6)} million`;
  return `1 in ${digits.format(many)}`;
}

/** found: the answer of /api/v1/compare. */
export function scale(found) {
  const { scale: points } = found;
  const [first, last] = [Math.log10(points[0].strangers), Math.log10(points.at(-1).strangers)];
  const place = (log) => `${(100 * (log - first)) / (last - first)}%`;
  const ticks = points.map((point) => {
    const text = [h("b", {}, String(point.similarity)), h("span", {}, oneIn(Math.log10(point.strangers)))];
    return h("li", { style: { left: place(Math.log10(point.strangers)) } }, ...text);
  });
  const at = place(logAt(points, found.similarity));
  const label = h("b", { style: { transform: `translateX(-${at})` } }, found.similarity.toFixed(2)); // stays inside
  const here = h("div.scale-here", { style: { left: at } }, label);
  const passing = h("div.scale-passing");
  const said = h("output", { for: "threshold" });
  const slider = h("input", {
    type: "range",
    id: "threshold",
    min: 0,
    max: Math.round((first - last) * STEPS),
    value: Math.round((first - logAt(points, found.threshold)) * STEPS),
    oninput: move,
  });
  function move() {
    const log = first - slider.value / STEPS;
    const threshold = Math.round(10 * similarityAt(points, log)) / 10;
    passing.style.left = place(log);
    slider.setAttribute("aria-valuetext", `similarity ${threshold}`);
    const same = found.similarity >= threshold;
    const pass = `${oneIn(log)} pairs of strangers would pass for one person.`;
    said.replaceChildren(h("b", {}, `From ${threshold} on: `), `${pass} These two ${same ? "do" : "do not"}.`);
  }
  move();
  const axis = h("div.scale", { "aria-hidden": "true" }, passing, here, h("ol", {}, ...ticks));
  const asked = h("label", { for: "threshold" }, "Count as the same person from which similarity?");
  return h("div.try-scale", {}, axis, h("div.scale-slider", {}, slider), asked, said);
}
