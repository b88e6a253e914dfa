// All clips, newest first: a picture of each, who is in it, how long it is.

import { get, mayEnroll, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { photo } from "./faces.js";
import { clock, count, time } from "./format.js";
import { empty, pagedList } from "./ui.js";
import { uploads } from "./videos-upload.js";

/** filter: the form with the field `person`. person: whom the clips must show; empty for all. */
export function showClips(parent, filter, person) {
  filter.hidden = false;
  filter.elements.person.value = person;
  const list = h("div.grid.clips", {});
  const missing = meta("clips-need");
  const top = missing ? notice(missing) : mayEnroll && !person && uploads((item) => arrived(list, item));
  show(
    parent,
    top,
    person && h("p", {}, `Clips in which ${person} was recognised. `, h("a", { href: "/videos" }, "Show all clips")),
    h("section", { "aria-label": "Clips" }, h("h2.sr-only", {}, "Clips"), list),
  );
  pagedList(list, {
    fetchPage: (after) => get(`/api/v1/clips${query({ person, after })}`),
    draw: card,
    none: person ? nobody(person) : nothing(),
  }).restart();
}

const meta = (name) => $(`meta[name="${name}"]`).content;

const notice = (command) =>
  h(
    "div.card",
    {},
    h("h2", {}, "Videos cannot be read yet"),
    h("p", {}, "Reading them needs PyAV. Install it where faceline is installed, then start faceline again:"),
    h("pre", { tabindex: "0" }, command),
  );

const nothing = () =>
  empty(
    "No videos yet",
    `${mayEnroll ? "Drop one above, or put" : "Put"} one into the folder of the bucket ${meta("clips-bucket")}. Who is in it and when stands here as soon as it is done.`,
  );

const nobody = (person) => empty(`No clip shows ${person}`, "Only clips in which they were recognised by this name are found.");

function arrived(list, item) {
  $(".empty", list)?.remove();
  $(`[data-clip="${item.clip_id}"]`, list)?.remove();
  list.prepend(card(item));
}

export function card(item) {
  const id = `clip-${item.clip_id}`;
  remember(item.names);
  return h(
    "article.card.clip",
    { "aria-labelledby": id, dataset: { clip: item.clip_id } },
    poster(item),
    h("h3", { id }, h("a.cover", { href: `/videos${query({ clip: item.clip_id })}` }, item.key)),
    h("div.badges", {}, who(item)),
    item.error && item.mode && h("p.muted", {}, item.error),
    item.processed_at && h("small", {}, h("time", { datetime: item.processed_at }, time(item.processed_at))),
  );
}

function poster(item) {
  if (!item.mode) return h("div.poster.failed", {}, h("span.badge.error", {}, "Failed"), h("p", {}, item.error));
  const picture = photo(`/api/v1/clips/${item.clip_id}/frame?width=480`, [], { alt: "" });
  if (item.duration_s !== null) picture.append(h("span.length", {}, clock(item.duration_s)));
  picture.classList.add("poster");
  return picture;
}

/** Labels of who was seen. */
export function who(item) {
  if (!item.mode) return [];
  const named = item.names.map((name) => h("span.badge.matched", {}, name));
  if (item.nameless) named.push(h("span.badge.unknown", {}, count(item.nameless, "unnamed", "unnamed")));
  return named.length ? named : [h("span.badge", {}, "Nobody")];
}

/** Names that the field suggests. */
function remember(names) {
  const known = $("#seen");
  const there = new Set([...known.children].map((option) => option.value));
  known.append(...names.filter((name) => !there.has(name)).map((value) => h("option", { value })));
}
