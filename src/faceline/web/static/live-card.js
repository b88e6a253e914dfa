// One entry as a card: the picture with boxes, who is in it, when and where it came from.

import { path, query } from "./api.js";
import { h } from "./dom.js";
import { badge, photo, sentence } from "./faces.js";
import { clock, time } from "./format.js";

const FACES_NAMED = 4; // boxes without names where there are more: they would hide each other

/** The address of an entry's picture, or null. width: one of those that the API makes. */
export function pictureOf(entry, width) {
  if (entry.kind === "camera") return entry.picture ? path`/api/v1/activity/${entry.position}/picture` : null;
  if (entry.error && entry.width === null) return null;
  if (entry.kind === "clip") return path`/api/v1/clips/${clipId(entry.key)}/frame`.concat(query({ width }));
  return path`/api/v1/pictures/${entry.bucket}/`.concat(
    entry.key.split("/").map(encodeURIComponent).join("/"),
    query({ width, version: entry.position }),
  );
}

/** As the API calls a clip: its name without the suffix, in base64 for addresses. */
export function clipId(key) {
  const stem = key.replace(/(?<=[^/])\.[^./]+$/, "");
  const bytes = new TextEncoder().encode(stem);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What an entry is called: the file's name, or the camera's. */
export const titleOf = (entry) => (entry.kind === "camera" ? entry.camera || "Camera" : entry.key.split("/").at(-1));

export function card(entry, opened) {
  const open = h("button.entry-open", { type: "button", "aria-haspopup": "dialog", onclick: opened }, titleOf(entry));
  return h(
    "li.card.entry",
    { class: entry.error ? "failed" : "" },
    framed(entry, 480),
    h("h3", {}, open),
    said(entry),
    h("p.entry-when", {}, h("time", { datetime: entry.time, title: entry.time }, time(entry.time)), ` · ${whereFrom(entry)}`),
  );
}

/** The picture in a place of the same shape for all. */
function framed(entry, width) {
  const src = pictureOf(entry, width);
  if (!src) return h("div.entry-picture.none", { "aria-hidden": "true" }, entry.error ? "!" : "No picture");
  const tall = entry.width && entry.height && entry.width / entry.height < 4 / 3;
  const crowded = entry.faces.length > FACES_NAMED;
  const shown = photo(src, boxed(entry), { width: entry.width, height: entry.height, alt: sentence(entry.faces) });
  return h("div.entry-picture", { class: [tall && "tall", crowded && "crowded"].filter(Boolean).join(" ") }, shown);
}

/** A clip's faces are not all in the frame that stands for it. */
const boxed = (entry) => (entry.kind === "clip" ? [] : entry.faces);

function said(entry) {
  if (entry.error) return failure(entry);
  if (!entry.faces.length) return h("p.badges", {}, h("span.badge", {}, "No face"));
  const rest = entry.faces.length - FACES_NAMED;
  return h(
    "div.badges",
    {},
    entry.faces.slice(0, FACES_NAMED).map((face) => h("span", {}, badge(face), mood(face))),
    rest > 0 && h("span.badge", {}, `${rest} more`),
  );
}

/** Why it could not be used; the card says already what it is about. */
export const failure = ({ error, key }) =>
  h("p.entry-error", {}, h("span.badge.error", {}, "Error"), ` ${error.startsWith(`${key}: `) ? error.slice(key.length + 2) : error}`);

/** The strongest emotion, and in a clip when. */
function mood({ emotions, first_s, last_s }) {
  const felt = emotions?.[0] && `${emotions[0].type.toLowerCase()} ${Math.round(emotions[0].confidence)}\u00a0%`;
  const when = first_s === null || first_s === undefined ? "" : `${clock(first_s)}–${clock(last_s)}`;
  const text = [felt, when].filter(Boolean).join(", ");
  return text && h("small.mood", {}, text);
}

function whereFrom(entry) {
  if (entry.kind === "camera") return `camera ${entry.camera ?? ""}`;
  const folder = entry.key.split("/").slice(0, -1).join("/");
  return `${entry.bucket}${folder && `/${folder}`} · uploaded ${time(entry.uploaded_at)}`;
}
