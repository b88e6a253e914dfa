// The faces of one photo: marked in it, and a card for each.

import { h } from "./dom.js";
import { crop, isCrowd, photo as framed, pointing } from "./faces.js";
import { count, similarity } from "./format.js";

const STATUS = { match: "matched", unknown: "unknown", ambiguous: "ambiguous" };

/** Resolves with a section. photo: { file, url }; found: the answer of /api/v1/detect. */
export async function detection(photo, found) {
  const faces = found.faces.map((face) => ({ ...face, ...named(face) }));
  const picture = await createImageBitmap(photo.file).catch(() => null);
  const heading = h("h2", { tabindex: -1 }, faces.length ? count(faces.length, "face") : "No face was found");
  const crowd = isCrowd(faces);
  const marked = figure(photo, found, faces, { numbers: true });
  const cards = faces.map((face, i) => pointing(card(face, i, picture, !crowd), marked, i + 1));
  return h(
    "section.try-photo",
    {},
    h("div.try-picture", { class: crowd ? "no-landmarks" : "" }, marked, landmarksToggle(!crowd)),
    h("div.stack", {}, heading, faces.length ? null : nothing(), h("div.grid.try-cards", {}, ...cards)),
  );
}

/** A photo with what is marked in it and a caption. size: { width, height }. */
export function figure(photo, size, faces, { alt, label, numbers } = {}) {
  const shown = framed(photo.url, faces, { ...size, alt: alt ?? description(faces), landmarks: true, numbers });
  shown.addEventListener("error", () => shown.after(h("p.muted", {}, "This browser cannot show such pictures.")), true);
  const caption = [label, photo.file.name, `${size.width} × ${size.height}`].filter(Boolean).join(" · ");
  return h("figure.try-figure", {}, shown, h("figcaption.muted", {}, caption));
}

/** How good a face is for recognition: a badge, and in words what is wrong. */
export function quality(face) {
  const { level, remarks } = face.quality;
  const kind = { good: "good", fair: "warn", poor: "bad" }[level];
  const words = remarks.length ? `${level}: ${remarks.join(", ")}` : level;
  return [h(`span.badge.${kind}`, {}, words), face.advice && h("p.muted", {}, face.advice)];
}

const nothing = () =>
  h("p", {}, "Faces smaller than about 40 pixels are often missed, and so are those that are mostly hidden. A photo from the front works best.");

/** What the box says. */
function named(face) {
  const status = face.who ? STATUS[face.who.decision] : "detected";
  const match = status === "matched" ? face.who : null;
  return { status, person: match?.name ?? null, similarity: match?.similarity ?? null };
}

function description(faces) {
  if (!faces.length) return "The photo, in which no face was found";
  const known = faces.filter((face) => face.status === "matched").map((face) => face.who.name);
  return `The photo with ${count(faces.length, "face")} marked${known.length ? `, among them ${known.join(", ")}` : ""}`;
}

function landmarksToggle(checked) {
  const flip = ({ target }) => target.closest(".try-picture").classList.toggle("no-landmarks", !target.checked);
  return h("label.row", {}, h("input", { type: "checkbox", checked, onchange: flip }), "Show eyes, nose and mouth corners");
}

function card(face, i, picture, open) {
  const { pose, confidence } = face;
  const facts = h(
    "dl.facts",
    {},
    fact("Quality", ...quality(face)),
    fact("Looks", h("span", {}, direction(pose)), h("small", {}, ` yaw ${pose.yaw}°, pitch ${pose.pitch}°, roll ${pose.roll}°`)),
    fact("Is a face", `${confidence.toFixed(1)} %`),
    fact("Size", `${Math.round(face.quality.size_px)} pixels`),
  );
  const head = h("div.row", {}, crop(face.box, picture), h("div", {}, h("h3", {}, `Face ${i + 1}`), who(face.who)));
  return h("article.card.stack.try-card", {}, head, facts, face.emotions && emotions(face.emotions, open));
}

const fact = (name, ...what) => [h("dt", {}, name), h("dd", {}, ...what)];

function who(found) {
  if (!found) return h("p.muted", {}, "Nobody was looked for: choose where, once people are enrolled.");
  const [best, next] = found.candidates;
  if (!best) return h("p", {}, "Nobody is enrolled yet.");
  const needed = `A name needs ${similarity(found.threshold)}.`;
  const text = {
    match: [h("b", {}, found.name), `, similarity ${similarity(found.similarity)}. ${found.meaning}`],
    unknown: [h("b", {}, "Unknown. "), `The most alike is ${best.name} with ${similarity(best.similarity)}. ${needed}`],
    ambiguous: [h("b", {}, "Ambiguous: "), `${best.name} (${similarity(best.similarity)})${next ? ` or ${next.name} (${similarity(next.similarity)})` : ""}.`],
  }[found.decision];
  return h("p", {}, ...text);
}

function direction({ yaw, pitch }) {
  const sideways = Math.abs(yaw) < 15 ? null : `${Math.abs(yaw) > 40 ? "far " : ""}to the ${yaw > 0 ? "right" : "left"} of the picture`;
  const upwards = Math.abs(pitch) < 25 ? null : pitch > 0 ? "up" : "down";
  return [sideways, upwards].filter(Boolean).join(" and ") || "straight ahead";
}

function emotions(list, open) {
  const telling = list.filter(({ confidence }, i) => i < 2 || confidence >= 1);
  const rows = telling.map(({ type, confidence }) => {
    const bar = h("span.bar", { "aria-hidden": "true" }, h("i", { style: { width: `${confidence}%` } }));
    return h("li", {}, h("span", {}, type), bar, h("span.number", {}, `${confidence.toFixed(0)} %`));
  });
  return h("details.emotions", { open }, h("summary", {}, "Expression"), h("ul", {}, ...rows));
}
