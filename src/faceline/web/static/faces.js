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
export const called = (face) => face.person ?? { unknown: "Unknown", ambiguous: "Ambiguous", detected: "Face" }[face.status] ?? "Face";

/**
 * src: of the picture. faces: with `status`, `person`, `similarity`, `box` in parts of the sides.
 * width, height: of the picture, so that the place is there before it has loaded. landmarks: [[x, y], …] of a face in parts.
 */
export function photo(src, faces, { width, height, alt, landmarks = false } = {}) {
  const image = h("img", { src, alt: alt ?? sentence(faces), loading: "lazy", decoding: "async" });
  const frame = h("div.photo", {}, image);
  if (width && height) frame.style.aspectRatio = `${width} / ${height}`;
  image.addEventListener("error", () => frame.classList.add("missing"));
  for (const face of faces) {
    if (!face.box) continue;
    frame.append(box(face));
    if (landmarks && face.landmarks) frame.append(...face.landmarks.map(dot));
  }
  return frame;
}

const percent = (part) => `${(100 * part).toFixed(3)}%`;

function box(face) {
  const { left, top, width, height } = face.box;
  const score = face.similarity === null || face.similarity === undefined || !face.person ? "" : ` ${similarity(face.similarity)}`;
  return h(
    `div.box.${face.status}`,
    { "aria-hidden": "true", style: { left: percent(left), top: percent(top), width: percent(width), height: percent(height) } },
    h("span", {}, called(face) + score),
  );
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
