// What the page Health shows, each part drawn from what the API says.

import { bars } from "./chart.js";
import { h } from "./dom.js";
import { bytes, count, milliseconds, moment, number, time } from "./format.js";

const minute = (iso) => new Date(iso).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const sum = (list, name) => list.reduce((all, each) => all + each[name], 0);

/** "3 days 4 h", "4 h 12 min", "12 min", "40 s". */
export function duration(seconds) {
  const [days, hours, minutes] = [seconds / 86400, (seconds % 86400) / 3600, (seconds % 3600) / 60].map(Math.floor);
  if (days) return `${count(days, "day")} ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

export function figuresOf({ queues, latencies, throughput, disk }) {
  const [ofMinute, ofHour, ofDay] = throughput.map(({ entries }) => number(entries));
  const dead = sum(queues, "dead");
  return [
    { label: "Waiting", value: number(sum(queues, "visible")), more: `${number(sum(queues, "in_flight"))} in hand` },
    { label: "Dead letters", value: number(dead), more: dead ? "work that could not be done" : "nothing failed for good", bad: dead > 0 },
    { label: "Last minute", value: ofMinute, more: `${ofHour} in an hour, ${ofDay} in a day` },
    { label: "Half are done within", value: milliseconds(latencies.took_p50_ms), more: `95 % within ${milliseconds(latencies.took_p95_ms)}` },
    // To two digits, so that it does not flicker.
    { label: "Disk free", value: bytes(Number(disk.free_bytes.toPrecision(2))), more: `of ${bytes(disk.size_bytes)}` },
  ];
}

export const figures = (all) =>
  all.map(({ label, value, more, bad }) =>
    h(`div.card${bad ? ".bad" : ""}`, {}, h("div.muted", {}, label), h("div.figure", {}, value), h("small", {}, more)),
  );

export function throughput(recent) {
  if (!sum(recent, "entries")) return h("p.muted", {}, "Nothing came within the last hour.");
  const data = recent.map(({ start, entries, errors }) => ({
    label: minute(start),
    parts: [
      { kind: "plain", value: entries - errors },
      { kind: "error", value: errors },
    ],
  }));
  const names = { plain: "Done", error: "Could not be used" };
  return bars(data, { title: "Photos, clips and appearances by minute, the last hour", unit: "entries", names });
}

export function queues(all) {
  const row = ({ name, purpose, visible, in_flight: inFlight, dead }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name, h("small.purpose", {}, purpose)),
      [visible, inFlight, dead].map((value) => h("td.number", {}, number(value))),
    );
  return table("What waits for its work", ["Queue"], ["Waiting", "In hand", "Dead"], all.map(row));
}

export function latency([latencies, periods]) {
  if (!latencies.count) return h("p.muted", {}, "Nothing was worked on within the last day.");
  const row = (text, part) =>
    h("tr", {}, h("th", { scope: "row" }, text), ["p50", "p95", "p99"].map((p) => h("td.number", {}, milliseconds(latencies[`${part}_${p}_ms`]))));
  const period = periods[1].entries ? "hour" : "day";
  return table(
    `What half, 95 % and 99 % took at most, of ${count(latencies.count, "entry", "entries")} within the last ${period}`,
    ["Time"],
    ["Half", "95 %", "99 %"],
    [row("Waiting", "waited"), row("Work", "took")],
  );
}

export function errors(all) {
  if (!all.length) return h("p.muted", {}, "None: every photo and clip could be used.");
  const item = (each) =>
    h(
      "li",
      {},
      h("span", {}, `${each.bucket}/${each.key}`),
      h("span.muted", {}, h("time", { datetime: each.time }, time(each.time)), ` · ${each.error}`),
    );
  return [h("ul.errors", {}, all.map(item)), h("p", {}, h("a", { href: "/?status=error" }, "All photos that could not be used"))];
}

export const machineOf = ({ version, started_at, model, disk, targets }) => [version, started_at, model, disk.databases_bytes, targets];

export function machine([version, startedAt, model, databases, targets]) {
  return facts([
    ["Version", version],
    ["Started", moment(startedAt)],
    ["Model", model.name],
    ["Its embeddings", `${model.model}, ${model.dimensions} numbers`],
    ["Licence", model.licence],
    ["Detector", model.detector],
    ["Runs on", [model.provider, model.precision].filter(Boolean).join(", ")],
    ["At once", count(model.workers, "photo")],
    ["Databases", bytes(databases)],
    ...targets.map(({ name, dead }) => [`Notices to ${name}`, dead ? `${number(dead)} could not be told` : "all told or waiting"]),
  ]);
}

export function collections(all) {
  if (!all.length) return h("p.muted", {}, "None yet: the first person who is enrolled makes one.");
  const row = (each) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: `/people?collection=${encodeURIComponent(each.name)}` }, each.name), each.default && h("small.purpose", {}, "what photos are compared with")),
      [each.people, each.faces].map((value) => h("td.number", {}, number(value))),
    );
  return table("Who is known", ["Collection"], ["People", "Faces"], all.map(row));
}

export const settings = (all) => facts(all.map(({ name, value }) => [h("code", {}, name), value]));

const facts = (rows) => h("dl.facts", {}, rows.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));

function table(caption, names, numbers, rows) {
  const head = [...names.map((text) => h("th", { scope: "col" }, text)), ...numbers.map((text) => h("th.number", { scope: "col" }, text))];
  return h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}
