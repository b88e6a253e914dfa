// Two photos side by side, and whether they show the same person.

import { h } from "./dom.js";
import { count } from "./format.js";
import { figure, quality } from "./try-faces.js";
import { scale } from "./try-scale.js";

const FEW = 3; // other faces, beyond which words would hide the one that counts
const STATUS = { same: "matched", unsure: "ambiguous", different: "unknown" };
const VERDICT = {
  same: "The same person",
  unsure: "Not sure: alike, but not enough for the same person",
  different: "Different people, as far as can be told",
};

/** A section. photos: two of { file, url }; found: the answer of /api/v1/compare. */
export function comparison(photos, found) {
  const status = STATUS[found.verdict];
  const sides = [found.a, found.b].map((side, i) => h("div", {}, compared(photos[i], side, "AB"[i], status)));
  return h(
    "section.card.stack",
    {},
    h(
      `div.try-verdict.${status}`,
      {},
      h("h2", { tabindex: -1 }, VERDICT[found.verdict]),
      h("p", {}, "Similarity ", h("b", {}, found.similarity.toFixed(2)), ` of 100. ${found.meaning}`),
      ...cautions(found).map((text) => h("p", {}, text)),
    ),
    h("div.try-pair", {}, ...sides),
    scale(found),
  );
}

function compared(photo, side, letter, status) {
  const face = { ...side.face, status, person: "compared", similarity: null };
  const label = side.others.length > FEW ? "" : "not compared";
  const others = side.others.map((box) => ({ box, status: "detected", person: label, similarity: null }));
  const alt = `Photo ${letter} with the compared face marked`;
  return [
    figure(photo, side, [...others, face], { alt, label: `Photo ${letter}` }),
    h("div.row", {}, h("span.muted", {}, "Quality"), ...quality(side.face).slice(0, 1)),
  ];
}

/** What one should know before believing it. */
function cautions(found) {
  const texts = [];
  for (const [letter, side] of [["A", found.a], ["B", found.b]]) {
    const faces = side.others.length + 1;
    if (faces > 1) texts.push(`Photo ${letter} shows ${count(faces, "face")}; the most prominent one was compared (marked).`);
    if (side.face.advice) texts.push(`Photo ${letter}: ${side.face.quality.remarks.join(", ")}. ${side.face.advice}`);
  }
  if (!found.calibrated) texts.push("The similarities of this model are provisional: they were not measured on labelled photos.");
  return texts;
}
