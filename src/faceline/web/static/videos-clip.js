// One clip: the video, who appears when, and the same as a table.

import { ask, get, mayAll, path, query } from "./api.js";
import { h } from "./dom.js";
import { badge } from "./faces.js";
import { clock, similarity, time } from "./format.js";
import { attempt, load, question } from "./ui.js";
import { player } from "./videos-player.js";
import { timeline } from "./videos-timeline.js";
import { labels } from "./videos-words.js";

export function showClip(parent, clip) {
  return load(parent, async () => {
    const detail = await get(path`/api/v1/clips/${clip}`);
    document.title = `${detail.clip.key} · ${document.title}`;
    return h("div.stack", {}, head(detail), detail.clip.mode ? seen(detail) : refused(detail));
  });
}

const head = ({ clip }) =>
  h(
    "div.spread",
    {},
    h("div", {}, h("a", { href: "/videos" }, "← All clips"), h("h2.clip-name", {}, clip.key)),
    mayAll && h("button.danger", { type: "button", onclick: () => attempt(() => remove(clip)) }, "Delete"),
  );

const refused = ({ clip }) =>
  h("div.empty.problem", {}, h("p.empty-title", {}, "This clip could not be used"), h("p", {}, clip.error));

function seen(detail) {
  const said = h("p.sr-only", { role: "status" });
  const words = labels(detail.appearances);
  const line = detail.end_s > 0 && detail.appearances.length ? timeline(detail, choose, (at) => screen.seek(at)) : null;
  const screen = player(detail, (at) => line?.at(at));
  function choose(appearance) {
    line?.mark(appearance);
    screen.jump(appearance);
    said.textContent = `Showing ${words.get(appearance)} at ${clock(appearance.best_s)}`;
    screen.element.scrollIntoView({ block: "nearest" });
  }
  return h(
    "div.stack",
    {},
    detail.clip.error && h("p.card.warning", {}, detail.clip.error),
    h("div.watch", {}, screen.element, h("section.card", {}, h("h3", {}, "This clip"), facts(detail))),
    line && h("section.card", {}, h("h3", {}, "Who appears when"), line.element),
    detail.appearances.length > 0 && h("section.card", {}, h("h3", {}, "Appearances"), rule(detail.appearances[0]), table(detail, words, choose)),
    said,
  );
}

function facts({ clip, collection, model, sampled_frames: sampled }) {
  const rows = [
    ["Shows", [...clip.names, clip.nameless && `${clip.nameless} unnamed`].filter(Boolean).join(", ") || "nobody"],
    ["Length", clip.duration_s === null ? null : clock(clip.duration_s)],
    ["Done", clip.processed_at && time(clip.processed_at)],
    ["Looked at", clip.mode === "first" ? "the first frame only (video_mode first)" : sampled && `${sampled} frames`],
    ["Compared with", collection],
    ["Model", model],
    ["From", `${clip.bucket}/${clip.key}`],
  ];
  return h("dl.facts", {}, rows.filter(([, value]) => value).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

const rule = ({ threshold }) =>
  threshold !== null && h("p.muted", {}, `A face is a match from a similarity of ${similarity(threshold)} or more.`);

const COLUMNS = ["Who", "From", "To", "Frames", "Most alike", "Best frame"];

function table(detail, words, choose) {
  return h(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": "Appearances as a table" },
    h(
      "table.stacked",
      {},
      h("thead", {}, h("tr", {}, COLUMNS.map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, detail.appearances.map((each) => row(each, words.get(each), detail.collection, choose))),
    ),
  );
}

const cell = (column, ...what) => h("td", { "data-column": COLUMNS[column] }, ...what);

const row = (each, name, collection, choose) =>
  h(
    "tr",
    {},
    h("th", { scope: "row" }, each.user_id ? h("a", { href: `/person${query({ id: each.user_id, collection })}` }, badge(each)) : h(`span.badge.${each.status}`, {}, name)),
    cell(1, clock(each.first_s)),
    cell(2, clock(each.last_s)),
    cell(3, String(each.frames)),
    cell(4, alike(each)),
    cell(5, h("button", { type: "button", "aria-label": `Show ${name} at ${clock(each.best_s)}`, onclick: () => choose(each) }, clock(each.best_s))),
  );

function alike({ candidates, person }) {
  const next = candidates.find((each) => each.name !== person);
  return next ? `${next.name} ${similarity(next.similarity)}` : "–";
}

async function remove(clip) {
  const text = `The video, the frames taken from it and what was found in it are deleted. Nobody's enrolled faces are touched.`;
  const sure = await question(`Delete ${clip.key}?`, { text, action: "Delete", danger: true });
  if (!sure) return;
  await ask("DELETE", path`/api/v1/clips/${clip.clip_id}`);
  location.assign("/videos");
}
