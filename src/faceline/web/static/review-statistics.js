// The tab Statistics: what was seen in a range of time, as charts, and downloads.

import { collection, get, query } from "./api.js";
import { bars, ranks } from "./chart.js";
import { h, show } from "./dom.js";
import { number } from "./format.js";
import { personAt } from "./review-faces.js";
import { choose, chosen } from "./review-place.js";
import { empty, field, load } from "./ui.js";

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const RANGES = { "24h": ["The last 24 hours", 1], "7d": ["The last 7 days", 7], "30d": ["The last 30 days", 30], "90d": ["The last 90 days", 90], "365d": ["The last year", 365] };
const STEPS = { hour: ["by hour", HOUR_S], day: ["by day", DAY_S], week: ["by week", 7 * DAY_S] };
const MOST_STEPS = 800;

export async function statistics(panel) {
  const shown = h("div.stack");
  const draw = () => load(shown, async () => drawn(await get(`/api/v1/statistics${query(asked())}`)));
  show(panel, controls(draw), shown);
  await draw();
}

function controls(draw) {
  const { range, step } = wanted();
  const select = (name, options, value) =>
    h("select", { onchange: ({ target }) => (choose({ [name]: target.value }), draw()) }, options.map(([key, [word]]) => h("option", { value: key, selected: key === value }, word)));
  const steps = [["", ["as suits"]], ...Object.entries(STEPS)];
  return h("div.toolbar.review-head", {}, field("Time", select("range", Object.entries(RANGES), range)), field("Steps", select("step", steps, step)));
}

function wanted() {
  const { range, step } = chosen();
  return { range: range in RANGES ? range : "7d", step: step in STEPS ? step : "" };
}

/** Whole hours or days of this place's time, so that a day is a day. */
function asked() {
  const { range, step } = wanted();
  const days = RANGES[range][1];
  const usual = days > 100 ? STEPS.week[1] : days > 3 ? DAY_S : HOUR_S;
  const chosenStep = step ? STEPS[step][1] : usual;
  const step_s = (days * DAY_S) / chosenStep > MOST_STEPS ? DAY_S : chosenStep;
  const until = new Date();
  if (step_s >= DAY_S) until.setHours(24, 0, 0, 0);
  else until.setHours(until.getHours() + 1, 0, 0, 0);
  const steps = Math.max(1, Math.ceil((days * DAY_S) / step_s));
  return { since: new Date(until - steps * step_s * 1000).toISOString(), until: until.toISOString(), step: step_s };
}

function drawn(found) {
  const sum = (name) => found.traffic.reduce((all, each) => all + each[name], 0);
  const total = { entries: sum("entries"), matched: sum("matched"), unknown: sum("unknown"), ambiguous: sum("ambiguous"), errors: sum("errors") };
  const pairs = found.pairs.reduce((all, { open, decided }) => [all[0] + open, all[1] + decided], [0, 0]);
  const figures = [
    ["Photos, clips, appearances", total.entries],
    ["Known faces", total.matched],
    ["Unknown faces", total.unknown],
    ["Ambiguous", total.ambiguous],
    ["Errors", total.errors],
    ["Notices of matches", found.match_notices],
    ["Pairs to review", pairs[0]],
    ["Pairs decided", pairs[1]],
  ];
  const tiles = figures.map(([word, value]) => h("div.card.tile", {}, h("dt", {}, word), h("dd.figure", {}, number(value))));
  return [h("dl.tiles", {}, tiles), total.entries ? charts(found) : nothing(), exports(found)];
}

const nothing = () => empty("Nothing was seen in this time", "Photos that come in, clips and appearances before cameras are counted here.");

function charts(found) {
  const label = (start) => labelOf(new Date(start), found.step);
  const faces = found.traffic.map((each) => ({
    label: label(each.start),
    parts: ["matched", "unknown", "ambiguous"].map((kind) => ({ kind, value: each[kind] })),
  }));
  const traffic = found.traffic.map((each) => ({
    label: label(each.start),
    parts: [{ kind: "plain", value: each.entries - each.errors }, { kind: "error", value: each.errors }],
  }));
  const similarities = found.similarities.map(({ at_least: low, to, faces: value }) => ({ label: `${low}–${to}`, parts: [{ kind: "matched", value }] }));
  const first = similarities.findIndex(({ parts }) => parts[0].value > 0);
  const alike = bars(first < 0 ? similarities.slice(-5) : similarities.slice(Math.min(first, 15)), { title: "Matches by similarity", unit: "matches", names: { matched: "Matches" } });
  const people = found.people.map(({ person, user_id: id, entries }) => ({ label: person, value: entries, link: personAt(collection, id) }));
  return h(
    "div.charts",
    {},
    card(bars(faces, { title: "Faces over time", unit: "faces" })),
    card(bars(traffic, { title: "Photos, clips and appearances over time", unit: "entries", names: { plain: "Worked on" } })),
    card(alike),
    card(people.length ? ranks(people, { title: "Who comes most often", label: "Person", unit: "Times" }) : h("p.muted", {}, "Nobody known came in this time.")),
    card(suspects(found.pairs)),
  );
}

const card = (child) => h("section.card", {}, child);

function suspects(pairs) {
  const data = pairs.map(({ collection: name, open, unsure, decided }) => ({
    label: name,
    parts: [{ kind: "matched", value: decided }, { kind: "unknown", value: open - unsure }, { kind: "ambiguous", value: unsure }],
  }));
  return bars(data, { title: "Pairs to review", unit: "pairs", names: { matched: "Decided", unknown: "To look at", ambiguous: "Unsure" } });
}

function labelOf(start, step) {
  const day = start.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  if (step >= DAY_S) return day;
  const hour = start.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return hour === "00:00" ? day : hour;
}

function exports({ since, until }) {
  const time = query({ since, until });
  const files = [
    ["Records of this time, CSV", `records.csv${time}`],
    ["Records of this time, JSON", `records.json${time}`],
    ["Pairs and verdicts, CSV", "review.csv"],
    ["Pairs and verdicts, JSON", "review.json"],
    ["Match reports, CSV", "match-reports.csv"],
  ];
  const link = ([word, file]) => h("a.button", { href: `/api/v1/exports/${file}`, download: "" }, word);
  return h("section.card", {}, h("h2", {}, "Export"), h("p.muted", {}, "For spreadsheets and programs."), h("div.row.wrap", {}, files.map(link)));
}
