// Charts as SVG, drawn to the pixels of their place, each with the same numbers as a table.

import { h, show, svg } from "./dom.js";
import { number } from "./format.js";

const KINDS = { matched: "Known", unknown: "Unknown", ambiguous: "Ambiguous", error: "Errors", plain: "" };
const HEIGHT = 200;
const MARGIN = { top: 12, right: 8, bottom: 24, left: 44 };
const GRID_LINES = 4;
const LABEL_PX = 7; // about a letter's width
const FEW = 8; // labels that are all shown
const LEGIBLE = 6; // letters; fewer say nothing

/**
 * Bars over labels. data: [{ label, parts: [{ kind, value }] }], kinds: matched, unknown, ambiguous, error, plain.
 * unit: what is counted, "faces". stacked: a label's parts on one another, else beside each other.
 * names: { kind: words } where a kind is not called as usual. said: a value in words.
 */
export function bars(data, { title, unit = "", stacked = true, names = {}, said = number }) {
  const top = (parts) => (stacked ? sum(parts) : Math.max(0, ...parts.map(({ value }) => value ?? 0)));
  const highest = Math.max(0, ...data.map(({ parts }) => top(parts)));
  const told = { title, unit, names, said };
  const draw = (place) => data.flatMap((each, i) => column(each, i, place, stacked, told));
  return chart(data, highest, told, draw);
}

/** Lines over labels; data as for bars, one line for each kind. A value of null leaves a gap. */
export function line(data, { title, unit = "", names = {}, said = number }) {
  const highest = Math.max(0, ...data.flatMap(({ parts }) => parts.map(({ value }) => value ?? 0)));
  const told = { title, unit, names, said };
  const draw = (place) => kindsOf(data).flatMap((kind) => track(data, kind, place, told));
  return chart(data, highest, told, draw);
}

/** Names with a bar each, for who comes most often: a table, longest bar first as given. rows: [{ label, value, link }]. */
export function ranks(rows, { title, label, unit, kind = "matched" }) {
  const highest = Math.max(1, ...rows.map(({ value }) => value));
  const line = ({ label: name, value, link }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, link ? h("a", { href: link }, name) : name),
      h("td.rank", {}, h(`span.rank-bar.${kind}`, { "aria-hidden": "true", style: { width: `${(100 * value) / highest}%` } })),
      h("td.number", {}, number(value)),
    );
  const head = h("tr", {}, h("th", { scope: "col" }, label), h("td", {}), h("th.number", { scope: "col" }, unit));
  return h("table.ranks", {}, h("caption", {}, title), h("thead", {}, head), h("tbody", {}, rows.map(line)));
}

function chart(data, highest, told, draw) {
  const drawing = svg("svg.chart", { role: "img", "aria-label": `${told.title}; the numbers are in the table below` });
  const figure = h("figure.chart-figure", {}, h("figcaption", {}, told.title), legend(data, told), drawing, table(data, told));
  const { step, top } = scale(highest);
  const redraw = (width) => {
    const place = { width, top, slot: (width - MARGIN.left - MARGIN.right) / Math.max(data.length, 1) };
    drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    show(drawing, grid(place, step, told), axis(data, place), draw(place));
  };
  redraw(600);
  new ResizeObserver(([entry]) => entry.contentRect.width > 0 && redraw(entry.contentRect.width)).observe(figure);
  return figure;
}

/** Steps of 1, 2 or 5 by powers of ten, so that few lines reach the highest value. */
function scale(highest) {
  const rough = Math.max(highest, 1) / GRID_LINES;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough));
  return { step, top: step * Math.max(1, Math.ceil(highest / step)) };
}

const sum = (parts) => parts.reduce((all, { value }) => all + (value ?? 0), 0);
const kindsOf = (data) => [...new Set(data.flatMap(({ parts }) => parts.map(({ kind }) => kind)))];
const word = (kind, { names, unit }) => names[kind] ?? (KINDS[kind] || unit || kind);
const y = (value, top) => HEIGHT - MARGIN.bottom - ((HEIGHT - MARGIN.top - MARGIN.bottom) * value) / top;
const middle = (i, { slot }) => MARGIN.left + slot * (i + 0.5);

function grid(place, step, { said }) {
  const lines = [];
  for (let value = 0; value <= place.top + step / 2; value += step) {
    const at = y(value, place.top);
    lines.push(svg("line", { x1: MARGIN.left, x2: place.width - MARGIN.right, y1: at, y2: at }));
    lines.push(svg("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, said(value)));
  }
  return lines;
}

/** As many labels as there is room for, the first always; of a few all, shortened. */
function axis(data, place) {
  const room = Math.floor((place.slot - 4) / LABEL_PX);
  const longest = Math.max(1, ...data.map(({ label }) => label.length));
  const every = data.length <= FEW && room >= Math.min(longest, LEGIBLE) ? 1 : Math.max(1, Math.ceil((longest * LABEL_PX + 8) / place.slot));
  const shown = data.map(({ label }, i) => ({ label: every === 1 ? shortened(label, room) : label, i }));
  return shown
    .filter(({ i }) => i % every === 0)
    .map(({ label, i }) => svg("text", { x: clamp(middle(i, place), label, place), y: HEIGHT - 6, "text-anchor": "middle" }, label));
}

const shortened = (label, room) => (label.length > room ? `${label.slice(0, Math.max(room - 1, 1))}…` : label);
const clamp = (x, label, { width }) => Math.min(x, width - (label.length * LABEL_PX) / 2);

function column({ label, parts }, i, place, stacked, told) {
  const shown = parts.filter(({ value }) => value > 0);
  const room = Math.min(place.slot * 0.8, 48);
  const width = Math.max(1, stacked ? room : room / Math.max(parts.length, 1));
  let below = 0;
  return shown.map(({ kind, value }) => {
    const left = middle(i, place) - room / 2 + (stacked ? 0 : width * parts.findIndex((each) => each.kind === kind));
    const [bottom, high] = [y(below, place.top), y(below + value, place.top)];
    if (stacked) below += value;
    const hint = `${label}: ${told.said(value)} ${word(kind, told).toLowerCase()}`;
    return svg(`rect.${kind}`, { x: left, y: high, width, height: Math.max(0.5, bottom - high) }, svg("title", {}, hint));
  });
}

function track(data, kind, place, told) {
  const points = data.map(({ label, parts }, i) => {
    const value = parts.find((part) => part.kind === kind)?.value ?? null;
    return { label, value, x: middle(i, place), y: value === null ? null : y(value, place.top) };
  });
  const path = points
    .map((point, i) => (point.value === null ? "" : `${i && points[i - 1].value !== null ? "L" : "M"}${point.x},${point.y}`))
    .join("");
  const dots = points
    .filter(({ value }) => value !== null)
    .map((point) => svg(`circle.${kind}`, { cx: point.x, cy: point.y, r: 2.5 }, svg("title", {}, `${point.label}: ${told.said(point.value)}`)));
  return [svg(`path.${kind}`, { d: path }), ...dots];
}

function legend(data, told) {
  const kinds = kindsOf(data);
  if (kinds.length < 2) return null;
  const swatch = (kind) => h("li", {}, h(`span.swatch.${kind}`, { "aria-hidden": "true" }), word(kind, told));
  return h("ul.legend", {}, kinds.map(swatch));
}

function table(data, told) {
  const kinds = kindsOf(data);
  const cell = (parts, kind) => {
    const value = parts.find((part) => part.kind === kind)?.value;
    return h("td.number", {}, value === undefined || value === null ? "–" : told.said(value));
  };
  const row = ({ label, parts }) => h("tr", {}, h("th", { scope: "row" }, label), kinds.map((kind) => cell(parts, kind)));
  const head = h("tr", {}, h("td", {}), kinds.map((kind) => h("th.number", { scope: "col" }, word(kind, told))));
  return h(
    "details.chart-table",
    {},
    h("summary", {}, "Show as a table"),
    // Scrolled by keys too, so it can have the focus.
    h("div.scroll", { tabindex: "0", role: "region", "aria-label": `${told.title}: table` },
      h("table", {}, h("caption.sr-only", {}, told.title), h("thead", {}, head), h("tbody", {}, data.map(row)))),
  );
}
