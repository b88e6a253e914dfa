// One pair, large: who the two are, their most alike faces side by side, and more of them on demand.

import { get, path, query } from "./api.js";
import { h, show } from "./dom.js";
import { count, similarity, time } from "./format.js";
import { alikeness, crop, personAt, verdictBadge } from "./review-faces.js";
import { failed, load } from "./ui.js";

const MORE_PAIRS = 12;
const MORE_FACES = 24;

export const QUESTIONS = { people: "One person under two names?", faces: "Two people under one name?" };

/** What the two are called: names, or the one name and which face of it. */
export const sidesOf = (pair) =>
  pair.kind === "people" ? [pair.a, pair.b] : [`${pair.person ?? "Face"}, first face`, `${pair.person ?? "Face"}, second face`];

export const titleOf = (pair) => (pair.kind === "people" ? `${pair.a} and ${pair.b}` : `Two faces of ${pair.person ?? "one name"}`);

/** queue: where the faces are asked for. */
export function pairView(queue, pair) {
  const faces = h("div.two-faces", { "aria-busy": "true" }, blank(pair, 0), blank(pair, 1));
  const value = h("div");
  if (pair.similarity !== null) value.append(alikeness(pair.similarity, pair.meaning));
  const view = h("div.stack", {}, faces, h("div.spread", {}, value, facts(pair)));
  const fill = ({ most_alike: [best] }) => {
    show(faces, side(queue, pair, 0, best?.a), side(queue, pair, 1, best?.b));
    if (pair.similarity === null && best) show(value, alikeness(best.similarity, best.meaning));
  };
  queue
    .detail(pair, 1)
    .then(fill, (error) => show(faces, failed(error)))
    .finally(() => faces.removeAttribute("aria-busy"));
  return view;
}

const blank = (pair, i) => h("figure.side", {}, h("div.face.waiting"), h("figcaption", {}, h("h3", {}, sidesOf(pair)[i])));

function side(queue, pair, i, face) {
  const name = sidesOf(pair)[i];
  const link = pair.user_ids ? h("a", { href: personAt(queue.collection, pair.user_ids[i]) }, name) : name;
  const picture = face
    ? crop(queue.collection, face.face_id, `Face of ${name}`, { lazy: false })
    : h("div.face.missing", { role: "img", "aria-label": `No face of ${name} is kept` });
  const source = face && h("small", { title: face.source }, face.source.split("/").at(-1));
  return h("figure.side", {}, picture, h("figcaption", {}, h("h3", {}, link), source));
}

function facts(pair) {
  const found = pair.found_by && `Found by ${pair.found_by === "scan" ? "a scan" : "matching"}, ${time(pair.found_at)}`;
  const alike = pair.pairs > 1 && `${count(pair.pairs, "pair")} of faces are about so alike`;
  const decided = pair.verdict && `${pair.decided_by}, ${time(pair.decided_at)}${pair.note && `: “${pair.note}”`}`;
  return h(
    "div.pair-facts",
    {},
    pair.verdict && h("p", {}, verdictBadge(pair.verdict), " ", decided),
    alike && h("p.muted", {}, alike),
    found && h("p.muted", {}, found),
  );
}

/** Their next most alike faces, and all of both; asked for when it is opened. */
export function moreView(queue, pair) {
  const body = h("div.stack");
  const toggled = () => box.open && !body.childElementCount && load(body, () => moreFaces(queue, pair));
  const box = h("details.more-faces", { ontoggle: toggled }, h("summary", {}, "More faces of both"), body);
  return box;
}

async function moreFaces(queue, pair) {
  const [{ most_alike: alike }, ...own] = await Promise.all([
    queue.detail(pair, MORE_PAIRS),
    ...(pair.user_ids ?? []).map((id) => facesOf(queue.collection, id)),
  ]);
  const rows = alike.map((each) =>
    h("li.alike", {}, small(queue, each.a), h("b", { title: each.meaning }, similarity(each.similarity)), small(queue, each.b)),
  );
  const all = own.map((faces, i) =>
    h("div", {}, h("h3", {}, `Faces of ${sidesOf(pair)[i]}`), h("div.crops", {}, faces.map((face) => small(queue, face)))),
  );
  return h("div.stack", {}, h("div", {}, h("h3", {}, "Most alike"), h("ul.alikes", {}, rows)), h("div.columns", {}, all));
}

const small = (queue, face) => crop(queue.collection, face.face_id, `From ${face.source.split("/").at(-1)}`);

/** Of a name that is only a label there is no person, and so no list. */
async function facesOf(collection, userId) {
  try {
    return (await get(path`/api/v1/collections/${collection}/people/${userId}/faces`.concat(query({ limit: MORE_FACES })))).items;
  } catch (error) {
    if (error.status === 404) return [];
    throw error;
  }
}
