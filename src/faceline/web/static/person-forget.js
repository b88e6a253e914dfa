// Deleting a person, and the receipt of it.

import { ask, get, path, query } from "./api.js";
import { h, show } from "./dom.js";
import { count, moment } from "./format.js";
import { below, peoplePage } from "./people-common.js";
import { field, question } from "./ui.js";

const LISTED = 5;

/** Asks how much of them is to go. Gives the request's parameters, or null. told(everywhere): an element that says more. */
export async function howToForget(title, text, told = null) {
  const more = h("div.belongings", { role: "status" });
  const tell = async () => told && show(more, await told(everywhere.checked));
  const everywhere = h("input", { type: "checkbox", name: "everywhere", value: "true", checked: true, onchange: tell });
  const photos = h(
    "select",
    { name: "group_photos" },
    h("option", { value: "keep" }, "Keep them, without the name"),
    h("option", { value: "delete" }, "Delete them too"),
  );
  tell();
  const given = await question(title, {
    text,
    fields: [
      told && more,
      h("label.row", {}, everywhere, "In all collections, results, notices and messages too"),
      h("br"),
      field("Photos and clips that show others too", photos),
    ].filter(Boolean),
    action: "Delete for good",
    danger: true,
  });
  return given && { everywhere: given.everywhere ?? "false", group_photos: given.group_photos };
}

/** place: where the receipt is shown instead of the person. */
export async function forget(person, place) {
  const text = `${count(person.faces, "face")} with numbers and crops, the name in every result, photos and clips that show only them: all of it goes for good. Nothing brings it back.`;
  const given = await howToForget(`Delete ${person.name}?`, text, (everywhere) => belongings(person, everywhere));
  if (!given) return;
  show(place, h("div.loading", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), `Deleting ${person.name}`));
  try {
    const done = await ask("DELETE", below`people/${person.user_id}` + query(given));
    show(place, receipt(person.name, done));
    const numbers = [done.receipt, ...done.earlier].map((each) => ["receipt", each.receipt]);
    history.replaceState(null, "", `/person?${new URLSearchParams(numbers)}`); // so that it is shown again
    place.querySelector("h1").focus();
  } catch (error) {
    show(place, h("h1", {}, person.name), h("p", { role: "alert" }, error.message), h("a.button", { href: location.href }, "Back"));
  }
}

const KINDS = { photos: ["photo"], clips: ["clip"], both: ["photo or clip", "photos and clips"] };
const CLIP = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|m?ts|m2ts|flv|ogv|wmv|3gp)$/i;

/** What all of them are, as far as all are told. */
function kindOf(places, total) {
  const clips = places.filter((place) => CLIP.test(place)).length;
  if (places.length < total || (clips && clips < total)) return "both";
  return clips ? "clips" : "photos";
}

/** What will go, before it does. */
async function belongings(person, everywhere) {
  const found = await get(below`people/${person.user_id}/belongings` + query({ everywhere })).catch(() => null);
  if (!found) return h("p", {}, "How many photos show only them could not be found out.");
  const { alone, among_others: shared, photos, group_photos: group } = found;
  return h(
    "div",
    {},
    h("p", {}, alone ? h("b", {}, `${count(alone, ...KINDS[kindOf(photos, alone)])} will be deleted`) : "No photo or clip here shows only them."),
    some(photos, alone),
    shared > 0 && h("p", {}, `${count(shared, ...KINDS[kindOf(group, shared)])} ${shared === 1 ? "shows" : "show"} others too`),
    some(group, shared),
  );
}

const some = (places, total) =>
  places.length > 0 &&
  h("ul", {}, places.slice(0, LISTED).map((each) => h("li", {}, each)), total > LISTED && h("li", {}, `and ${total - LISTED} more`));

/** Of earlier erasures, by their numbers: nobody's name is known any more. */
export async function receiptsOf(numbers) {
  const [proof, ...earlier] = await Promise.all(numbers.map((number) => get(path`/api/v1/receipts/${number}`)));
  const removed = {};
  for (const each of [proof, ...earlier])
    for (const [what, pieces] of Object.entries(each.removed)) removed[what] = (removed[what] ?? 0) + pieces;
  return receipt("Somebody", { receipt: proof, earlier, removed, deleted: [], kept: [], elsewhere: [] });
}

function receipt(name, { receipt: proof, earlier, removed, deleted, kept, elsewhere }) {
  const rows = Object.entries(removed).filter(([, number]) => number);
  document.title = `${name} was deleted · faceline`;
  return h(
    "div.receipt.stack",
    {},
    h("div", {}, h("h1", { tabindex: -1 }, `${name} was deleted`), h("p.muted", {}, "The receipt of it is kept. It has no name in it. The address of this page leads back to it.")),
    h(
      "div.card",
      {},
      h("h2", {}, "Receipt"),
      h(
        "dl.facts",
        {},
        h("dt", {}, "Number"),
        h("dd.mono", {}, proof.receipt),
        earlier.length > 0 && [h("dt", {}, "Of earlier names"), h("dd.mono", {}, earlier.map((each) => each.receipt).join(", "))],
        h("dt", {}, "Time"),
        h("dd", {}, moment(proof.ended_at)),
        h("dt", {}, "Where"),
        h("dd", {}, proof.collections.length ? proof.collections.join(", ") : "Everywhere"),
      ),
      h(
        "table",
        {},
        h("caption", {}, "What was removed"),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "From"), h("th.number", { scope: "col" }, "Pieces"))),
        h("tbody", {}, rows.map(([what, number]) => h("tr", {}, h("td", {}, what), h("td.number", {}, String(number))))),
      ),
    ),
    files("Photos and clips that were deleted", deleted),
    files("Photos and clips that show others too, and stay", kept),
    files("Photos that came from elsewhere are yours, and stay where they are", elsewhere.filter((each) => each.includes("/"))),
    h("div", {}, h("p", {}, "To have it checked that nothing is left:"), h("pre", {}, `faceline verify-erasure ${name === "Somebody" ? "NAME" : quoted(name)}`)),
    h("div", {}, h("a.button.primary", { href: peoplePage() }, "To all people")),
  );
}

const files = (title, places) =>
  places.length ? h("details.card", {}, h("summary", {}, `${title} (${places.length})`), h("ul", {}, places.map((each) => h("li", {}, each)))) : null;

/** As a shell reads it. */
const quoted = (name) => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);
