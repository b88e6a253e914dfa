// One entry at large: the picture with landmarks, for each face who it may be and what the similarity means.

import { collection, get, path, query } from "./api.js";
import { h, show } from "./dom.js";
import { badge, crop, photo, pointing, sentence } from "./faces.js";
import { clock, milliseconds, similarity, time } from "./format.js";
import { attempt } from "./ui.js";
import { deleteButton, enrolButton } from "./live-acts.js";
import { clipId, failure, pictureOf, titleOf } from "./live-card.js";

/** beside(entry, step): the next or previous entry, or undefined. gone(entry): it was deleted. */
export function details(first, beside, gone) {
  const opener = document.activeElement;
  const title = h("h2", { id: "entry-title", "aria-live": "polite" });
  const body = h("div", {});
  const previous = h("button", { type: "button", onclick: () => go(-1) }, "‹ Newer");
  const next = h("button", { type: "button", onclick: () => go(1) }, "Older ›");
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const remove = h("span.first", {});
  const dialog = h("dialog.wide.entry-details", { "aria-labelledby": "entry-title", tabindex: "-1", autofocus: true }, title, body, h("div.actions", {}, remove, previous, next, close));
  let entry;

  function go(step) {
    const other = beside(entry, step);
    if (other) open(other);
  }

  async function open(wanted) {
    entry = wanted;
    previous.disabled = !beside(entry, -1);
    next.disabled = !beside(entry, 1);
    show(title, titleOf(entry));
    show(remove, deleteButton(wanted, () => (dialog.close(), gone(wanted))));
    show(body, contents(entry, { faces: [], result: null }));
    dialog.scrollTop = 0;
    const found = await attempt(() => get(path`/api/v1/activity/${entry.position}`));
    if (found && entry === wanted) show(body, contents(found.entry, found));
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus();
  });
  document.body.append(dialog);
  open(first);
  dialog.showModal();
}

function contents(entry, { faces, result }) {
  const src = pictureOf(entry, 1280);
  const shown = entry.kind === "clip" ? [] : entry.faces.map((face, n) => ({ ...face, landmarks: faces[n]?.landmarks }));
  const framed = src && photo(src, shown, { width: entry.width, height: entry.height, alt: sentence(entry.faces), landmarks: true, numbers: true });
  const picture = shown.length && framed ? loaded(src) : null;
  return [
    framed,
    entry.error && failure(entry),
    h("div.columns", {}, entry.faces.map((face, n) => pointing(faceCard(entry, face, faces[n], n, picture), framed, n + 1)), !entry.error && !entry.faces.length && h("p", {}, "No face was found in this picture.")),
    facts(entry),
    h("p.row.links", {}, entry.kind === "clip" && h("a", { href: `/videos${query({ clip: clipId(entry.key) })}` }, "Open the timeline"), result && download(entry, result)),
  ];
}

const download = (entry, key) =>
  h("a", { href: path`/buckets/${entry.bucket}/`.concat(key.split("/").map(encodeURIComponent).join("/")), download: key.split("/").at(-1) }, "Download the result as JSON");

/** The picture, for parts of it to be cut out; null when there is none. */
async function loaded(src) {
  const image = h("img", { src, alt: "" });
  return image.decode().then(() => image, () => null);
}

function faceCard(entry, face, more, n, picture) {
  const within = entry.collection ?? collection;
  return h(
    "section.card",
    { "aria-labelledby": `face-${n + 1}` },
    h("div.row.face-head", {}, face.box && picture && crop(face.box, picture), h("h3", { id: `face-${n + 1}` }, `Face ${n + 1}`)),
    h("div.badges", {}, badge(face), more?.quality.map((reason) => h("span.badge.warn", {}, reason))),
    h("p", {}, judged(face, more)),
    more?.candidates.length ? candidates(more, within) : null,
    face.emotions.length ? h("p", {}, h("span.muted", {}, "Emotions "), face.emotions.map(({ type, confidence }) => `${type.toLowerCase()} ${Math.round(confidence)}\u00a0%`).join(", ")) : null,
    face.first_s === null ? null : h("p", {}, `Seen from ${clock(face.first_s)} to ${clock(face.last_s)}`),
    more && face.person && h("a", { href: personPage(more.user_id, face.person, within) }, `All of ${face.person}`),
    more?.quality.length ? null : enrolButton(entry, face, n + 1), // what is poor is refused
  );
}

/** Why the face has this name, or none. */
function judged({ status, similarity: value }, more) {
  const needed = more?.threshold ? ` A name needs ${similarity(more.threshold)}.` : "";
  const means = more?.strangers ? `: ${more.strangers} score this high.` : ".";
  if (status === "matched") return `Similarity ${similarity(value)}${means}${needed}`;
  if (status === "ambiguous") return `Several people are nearly as alike, so that nobody is named.${needed}`;
  if (status === "forgotten") return "Whoever this was has been forgotten.";
  if (value !== null) return `The most alike has ${similarity(value)}${means}${needed}`;
  return status === "unknown" ? "Nobody is enrolled." : "Nobody was searched for.";
}

const candidates = (more, within) =>
  h("table", {}, h("caption.sr-only", {}, "Candidates"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Candidate"), h("th.number", { scope: "col" }, "Similarity"))),
    h("tbody", {}, more.candidates.map(({ name, user_id, similarity: value }) =>
      h("tr", {}, h("td", {}, h("a", { href: personPage(user_id, name, within) }, name)), h("td.number", {}, similarity(value))))));

/** Of who is no person, the list of people shows the label. */
const personPage = (id, name, within) => (id ? `/person${query({ id, collection: within })}` : `/people${query({ q: name, collection: within })}`);

function facts(entry) {
  const size = entry.width && entry.height ? `${entry.width} × ${entry.height} pixels` : null;
  const rows = [
    ["Where", entry.kind === "camera" ? `camera ${entry.camera ?? ""}` : `${entry.bucket}/${entry.key}`],
    [entry.kind === "camera" ? "Seen" : "Uploaded", time(entry.uploaded_at)],
    ["Looked at", `${time(entry.time)}${entry.took_ms === null ? "" : `, took ${milliseconds(entry.took_ms)}`}`],
    ["Waited", entry.waited_ms === null ? null : milliseconds(entry.waited_ms)],
    ["Size", size],
    ["Collection", entry.collection],
  ];
  return h("dl.facts", {}, rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
