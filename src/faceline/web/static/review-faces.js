// Pictures of the review: crops of enrolled faces, stored images, and what a similarity means.

import { path, query } from "./api.js";
import { h } from "./dom.js";
import { similarity } from "./format.js";

export const cropOf = (collection, faceId) => path`/api/v1/collections/${collection}/faces/${faceId}/crop`;

export const pictureOf = ({ bucket, key }, width) =>
  path`/api/v1/pictures/${bucket}/`.concat(key.split("/").map(encodeURIComponent).join("/"), query({ width }));

export const personAt = (collection, userId) => `/person${query({ id: userId, collection })}`;

/** A face's crop in a square. alt: whose it is. */
export function crop(collection, faceId, alt, { lazy = true } = {}) {
  const image = h("img.crop", { src: cropOf(collection, faceId), alt, loading: lazy ? "lazy" : "eager", decoding: "async" });
  const frame = h("div.face", {}, image);
  image.addEventListener("error", () => frame.classList.add("missing"));
  return frame;
}

/** "97.2" large, with how many pairs of strangers look this alike. */
export function alikeness(value, meaning) {
  if (value === null || value === undefined) return h("p.alikeness.muted", {}, "Nobody measured how alike they are.");
  const said = value === 100 ? "The same photo, twice." : `${meaning[0].toUpperCase()}${meaning.slice(1)} look this alike.`;
  return h("div.alikeness", {}, h("span.figure", {}, similarity(value)), h("span", {}, "similarity"), h("p", {}, said));
}

export const WORDS = { same: "Same person", different: "Different people", unsure: "Unsure" };
const KINDS = { same: "matched", different: "bad", unsure: "warn" };

/** What was decided, as a badge; null where nothing was. */
export const verdictBadge = (verdict) => verdict && h("span.badge", { class: KINDS[verdict] }, WORDS[verdict]);
