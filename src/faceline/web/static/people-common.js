// What the pages of people share: addresses, crops, and fields for names that suggest who is there.

import { collection as ours, get, path, query } from "./api.js";
import { h, show } from "./dom.js";

const TYPING_MS = 200;
const SUGGESTED = 8;

/** The collection of this page: as the address says, else the settings'. */
export const chosen = new URLSearchParams(location.search).get("collection") || ours;

/** An address below the chosen collection: below`people/${id}`. */
export const below = (parts, ...values) => path`/api/v1/collections/${chosen}/` + path(parts, ...values);

/** Of a person's page, or of the list of people. */
export const personPage = (userId) => `/person${query({ id: userId, collection: chosen === ours ? null : chosen })}`;
export const peoplePage = () => `/people${query({ collection: chosen === ours ? null : chosen })}`;

/** A face's picture, or the initials where no crop is kept. alt: empty where the name stands beside it. */
export function crop(faceId, name, alt = "") {
  if (!faceId) return h("span.crop.initials", { "aria-hidden": "true" }, initials(name));
  const image = h("img.crop", { src: below`faces/${faceId}/crop`, alt, loading: "lazy", decoding: "async", width: 160, height: 160 });
  image.addEventListener("error", () => image.replaceWith(crop(null, name)), { once: true });
  return image;
}

function initials(name) {
  const parts = name.split(/[\s_]+/).filter(Boolean);
  return [parts[0], parts.length > 1 ? parts[parts.length - 1] : ""].map((part) => [...(part ?? "")][0] ?? "").join("").toUpperCase();
}

/** A person's card: a link to their page. */
export const card = (person) =>
  h(
    "a.person",
    { href: personPage(person.user_id), dataset: { id: person.user_id } },
    crop(person.best_face_id, person.name),
    h("span.person-name", {}, person.name),
    h("small", {}, person.faces === 1 ? "1 face" : `${person.faces} faces`),
  );

/** Waits until nobody has called for a while. */
export function debounced(work, wait = TYPING_MS) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
}

let lists = 0;

/** An input for a name, with a list of those who are there and have what was typed in their names. */
export function nameInput(attributes = {}) {
  const list = h("datalist", { id: `names-${(lists += 1)}` });
  const suggest = debounced(async () => {
    const { items } = await get(below`people` + query({ q: input.value.trim(), limit: SUGGESTED })).catch(() => ({ items: [] }));
    show(list, items.map((person) => h("option", { value: person.name })));
  });
  const input = h("input", { type: "text", maxlength: 255, list: list.id, autocomplete: "off", required: true, ...attributes });
  input.addEventListener("input", suggest);
  input.addEventListener("focus", suggest, { once: true });
  return { input, list };
}

/** What stands in a badge for how good a face is. */
export function qualityBadge({ level, remarks }) {
  const kind = { good: "good", fair: "warn", poor: "bad" }[level];
  return h(`span.badge.${kind}`, {}, remarks.length ? remarks.join(", ") : level);
}
