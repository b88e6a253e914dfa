// Who appears when: a row for each person, a bar for each appearance, all over one axis of time.

import { h, show } from "./dom.js";
import { clock, count } from "./format.js";
import { labels, meaning } from "./videos-words.js";

const STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const MOST_TICKS = 6;
const NAMELESS_SHOWN = 6; // rows; the rest is folded

/**
 * chosen: called with an appearance. sought: called with seconds, for a click beside the bars.
 * Gives { element, at(seconds), mark(appearance) }.
 */
export function timeline(detail, chosen, sought) {
  const length = detail.end_s;
  const part = (seconds) => `${(100 * Math.min(seconds / length, 1)).toFixed(3)}%`;
  const bars = new Map();
  const words = labels(detail.appearances);
  const all = lanes(detail.appearances, words);
  const first = all.filter(({ appearances: [{ person }] }) => person).length + NAMELESS_SHOWN;
  const head = h("i.playhead", { "aria-hidden": "true" });
  const element = h(
    "div.timeline",
    { role: "group", "aria-label": "Timeline", onkeydown: (event) => step(event, [...bars.values()]) },
  );
  draw(all.length > first + 1 ? all.slice(0, first) : all);

  function draw(rows) {
    const rest = all.length - rows.length;
    const more = h("button.quiet.lane-more", { type: "button", style: { gridRow: String(rows.length + 2) }, onclick: unfold }, `Show ${count(rest, "more stranger")}`);
    bars.clear();
    show(
      element,
      rows.flatMap(({ label, appearances }, n) => [
        h("div.lane-name", { title: label, style: { gridRow: String(n + 1) } }, label),
        h("div.lane", { style: { gridRow: String(n + 1) }, onclick: (event) => sought(length * partOf(event)) }, appearances.map(bar)),
      ]),
      axis(length, rows.length + 1),
      rest > 0 && more,
      h("div.lane-over", { style: { gridRow: `1 / span ${rows.length + 1}` } }, head),
    );
  }

  function unfold() {
    draw(all);
    bars.get(all[first].appearances[0]).focus();
  }

  function bar(each) {
    const said = [`${words.get(each)}, ${clock(each.first_s)} to ${clock(each.last_s)}`, meaning(each)].filter(Boolean).join(", ");
    const button = h(`button.bar.${each.status}`, {
      type: "button",
      "aria-label": `${said}: show the best frame`,
      "aria-pressed": "false",
      title: said,
      style: { left: part(each.first_s), width: part(each.last_s - each.first_s) },
      onclick: (event) => {
        event.stopPropagation();
        chosen(each);
      },
    });
    bars.set(each, button);
    return button;
  }
  return {
    element,
    at: (seconds) => (head.style.left = part(seconds)),
    mark(appearance) {
      if (!bars.has(appearance)) draw(all);
      bars.forEach((button, each) => button.setAttribute("aria-pressed", String(each === appearance)));
    },
  };
}

const partOf = (event) => {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - left) / width, 0), 1);
};

/** The arrow keys go from bar to bar. */
function step(event, buttons) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  buttons.at((buttons.indexOf(document.activeElement) + by) % buttons.length).focus();
}

/** Everybody's appearances, in as many rows as needed for none to hide another; the named ones come first. */
function lanes(appearances, words) {
  const groups = new Map();
  for (const each of appearances) groups.set(words.get(each), [...(groups.get(words.get(each)) ?? []), each]);
  const ordered = [...groups].sort(([, [a]], [, [b]]) => !a.person - !b.person || a.first_s - b.first_s);
  return ordered.flatMap(([label, all]) =>
    apart(all).map((lane, n) => ({ label: n ? `${label} (${n + 1})` : label, appearances: lane })),
  );
}

function apart(appearances) {
  const rows = [];
  for (const each of [...appearances].sort((a, b) => a.first_s - b.first_s)) {
    const free = rows.find((row) => row.at(-1).last_s < each.first_s);
    if (free) free.push(each);
    else rows.push([each]);
  }
  return rows;
}

function axis(length, row) {
  const step = STEPS_S.find((each) => length / each <= MOST_TICKS) ?? Math.ceil(length / MOST_TICKS / 3600) * 3600;
  const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, n) => n * step);
  return h(
    "div.axis",
    { "aria-hidden": "true", style: { gridRow: String(row) } },
    ticks.map((at) => h(at > 0.95 * length ? "span.end" : "span", { style: { left: `${(100 * at) / length}%` } }, clock(at))),
  );
}
