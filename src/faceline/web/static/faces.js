// A picture with the faces' boxes and names over it, as an HTML overlay that scales with the picture.

import { h } from "./dom.js";
import { similarity } from "./format.js";

export const STATUS = {
  matched: "known",
  unknown: "unknown",
  ambiguous: "ambiguous",
  detected: "face",
};

/** What a face is called: the name, or why there is none. */
export const called = (face) => face.person ?? NAMELESS[face.status] ?? "Face";

const NAMELESS = { unknown: "Unknown", ambiguous: "Ambiguous", detected: "Face", forgotten: "Forgotten" };
const CROWD = 8; // faces, beyond which words would hide the others
const CROP_PX = 96;
const CROP_MARGIN = 0.25; // of the box, around it
const LABEL_HIGH = "1.3rem";

export const isCrowd = (faces) => faces.length > CROWD;

/**
 * src: of the picture. faces: with `status`, `person`, `similarity`, `box` in parts of the sides.
 * width, height: of the picture, so that the place is there before it has loaded. landmarks: [[x, y], …] of a face in parts.
 * numbers: where there are several, each is told with its number; in a crowd nothing else of the nameless ones, until one
 * points at them.
 */
export function photo(src, faces, { width, height, alt, landmarks = false, numbers = false } = {}) {
  const image = h("img", { src, alt: alt ?? sentence(faces), loading: "lazy", decoding: "async" });
  const frame = h("div.photo", {}, image);
  if (width && height) frame.style.aspectRatio = `${width} / ${height}`;
  image.addEventListener("error", () => frame.classList.add("missing"));
  if (numbers && isCrowd(faces)) frame.classList.add("crowd");
  for (const [i, face] of faces.entries()) {
    if (!face.box) continue;
    frame.append(box(face, numbers && faces.length > 1 ? i + 1 : null));
    if (landmarks && face.landmarks) frame.append(...face.landmarks.map(dot));
  }
  return frame;
}

const percent = (part) => `${(100 * part).toFixed(3)}%`;

/** The mark of one face, to lie over whatever shows it. number: of the face, where it is told. */
export function box(face, number = null) {
  const { left, top, width, height } = face.box;
  const score = face.similarity === null || face.similarity === undefined || !face.person ? "" : ` ${similarity(face.similarity)}`;
  const words = called(face) + score;
  const text = [number && h("b", {}, String(number)), words && h("i", {}, number ? ` · ${words}` : words)];
  return h(
    `div.box.${face.status}`,
    {
      "aria-hidden": "true",
      dataset: number ? { number } : {},
      style: { left: percent(left), top: percent(top), width: percent(width), height: percent(height) },
    },
    text.some(Boolean) && label(face.box, text),
  );
}

/** Below the box, but always within the picture: in a row as wide as that, after a space that gives way. */
function label({ left, top, width, height }, text) {
  const [wide, high] = [Math.max(width, 1e-4), Math.max(height, 1e-4)];
  const row = { left: percent(-left / wide), width: percent(1 / wide), top: `min(100%, calc(${percent((1 - top) / high)} - ${LABEL_HIGH}))` };
  return h("div.box-label", { style: row }, h("u", { style: { flexBasis: percent(Math.max(left, 0)) } }), h("span", {}, text));
}

/** Whoever is at the card sees which face of the photo it is about. number: as its box says. */
export function pointing(card, frame, number) {
  const mark = (on) => () => frame?.querySelector(`.box[data-number="${number}"]`)?.classList.toggle("marked", on);
  for (const event of ["pointerenter", "focusin"]) card.addEventListener(event, mark(true));
  for (const event of ["pointerleave", "focusout"]) card.addEventListener(event, mark(false));
  return card;
}

/** A face cut out. picture: an image or bitmap, null, or what resolves with one of these. */
export function crop(box, picture) {
  const canvas = h("canvas.face-crop", { width: CROP_PX, height: CROP_PX, "aria-hidden": "true" });
  Promise.resolve(picture).then((found) => found && draw(canvas, box, found));
  return canvas;
}

function draw(canvas, box, picture) {
  const [across, down] = [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];
  const [width, height] = [box.width * across, box.height * down];
  const side = (1 + 2 * CROP_MARGIN) * Math.max(width, height);
  const left = box.left * across + (width - side) / 2;
  const top = box.top * down + (height - side) / 2;
  canvas.getContext("2d").drawImage(picture, left, top, side, side, 0, 0, CROP_PX, CROP_PX);
}

const dot = ([x, y]) => h("i.landmark", { "aria-hidden": "true", style: { left: percent(x), top: percent(y) } });

/** The picture's description for who does not see it. */
export function sentence(faces) {
  if (!faces.length) return "No face was found in this picture";
  return `Shows ${faces.map((face) => called(face).toLowerCase() === "face" ? "a face" : called(face)).join(", ")}`;
}

/** A small label: the decision and its similarity. */
export function badge(face) {
  return h(`span.badge.${face.status}`, {}, called(face), face.person ? h("b", {}, similarity(face.similarity)) : null);
}
