// Everybody of a collection, to be looked through, searched and added to.

import { collection as ours, get, mayEnroll, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { count } from "./format.js";
import { below, card, chosen, debounced } from "./people-common.js";
import { enrolment } from "./people-enrol.js";
import { labelled } from "./people-labels.js";
import { strangers } from "./people-unknowns.js";
import { attempt, empty, pagedList } from "./ui.js";

const PAGE = 60;

const form = $("#search");
const list = $("#people");
let asking = new AbortController();

const wanted = () => ({ q: form.elements.q.value.trim(), sort: form.elements.sort.value });

const none = h("div.none", {});
const pages = pagedList(list, {
  fetchPage: async (after) => {
    const found = await get(below`people` + query({ ...wanted(), after, limit: PAGE }), { signal: asking.signal });
    say(found.total);
    return found;
  },
  draw: card,
  none,
});

function say(total) {
  const { q } = wanted();
  $("#count").textContent = q ? `${count(total, "person", "people")} with “${q}”` : count(total, "person", "people");
  if (!total) show(none, nobody(q));
}

function nobody(q) {
  if (q) return empty("Nobody has such a name", "Another part of the name may find them.");
  if (!mayEnroll) return empty("Nobody is here yet", "Who has a key of scope enroll adds people.");
  return empty("Nobody is here yet", "Drop a photo above. Or have a folder enrolled that has a folder of photos for each person:", h("pre", {}, "faceline enroll photos/"));
}

/** A new search; what is still being asked is of no use any more. */
function search() {
  asking.abort();
  asking = new AbortController();
  history.replaceState(null, "", `/people${query({ ...wanted(), sort: wanted().sort === "name" ? null : wanted().sort, collection: chosen === ours ? null : chosen })}`);
  attempt(() => labels.search(wanted().q));
  return pages.restart();
}

/** Somebody new, or with another face, at the place where they are or belong. Beyond the last that is shown they come by
 * themselves, with their page.
 */
function put(person) {
  none.remove();
  const before = $(`[data-id="${CSS.escape(person.user_id)}"]`, list);
  const now = card(person);
  now.classList.add("fresh");
  if (before) before.replaceWith(now);
  else if (wanted().sort === "newest") list.prepend(now);
  else {
    const next = [...list.children].find((each) => after(nameOn(each), person.name));
    const further = list.nextElementSibling?.matches(".more");
    if (next || !further) list.insertBefore(now, next ?? null);
  }
  attempt(async () => say((await get(below`people` + query({ q: wanted().q, limit: 1 }))).total));
}

const nameOn = (each) => each.querySelector(".person-name").textContent;

/** In the order of the API: letters of the alphabet in any case, then as they are. */
function after(name, other) {
  const [a, b] = [name, other].map((each) => each.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
  return a === b ? name > other : a > b;
}

async function chooseCollection() {
  const { items } = await get("/api/v1/collections");
  const names = items.map((each) => each.name);
  if (!chosen && names.length) location.replace(`/people${query({ collection: names[0] })}`);
  if (names.length < 2) return;
  const select = form.elements.collection;
  if (!names.includes(chosen)) names.unshift(chosen);
  show(select, names.map((name) => h("option", { value: name, selected: name === chosen }, name)));
  select.addEventListener("change", () => location.assign(`/people${query({ collection: select.value })}`));
  $("#collections").hidden = false;
}

const labels = labelled($("#labels"), { made: put });
const given = new URLSearchParams(location.search);
form.elements.q.value = given.get("q") ?? "";
form.elements.sort.value = given.get("sort") === "newest" ? "newest" : "name";
form.elements.q.addEventListener("input", debounced(search));
form.elements.sort.addEventListener("change", search);
form.addEventListener("submit", (event) => event.preventDefault());

if (mayEnroll && chosen) enrolment($("#enrol"), { done: put });
attempt(chooseCollection);
if (chosen) search();
else show(list, empty("There is no collection yet", "Photos are compared with nobody: the setting collection is empty."));
attempt(async () => {
  if (!chosen) return;
  const { consent_required: consentRequired } = await get(below`people` + query({ limit: 1 }));
  await strangers($("#strangers"), { consentRequired, named: put });
});
