// What is wanted: the form, the address (so that it can be bookmarked) and the parameters of the request.

import { collection, get, path, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { toast } from "./ui.js";

const NAMES = ["person", "status", "kind", "bucket", "camera", "from", "to", "min", "max"];
const OTHER = NAMES.slice(3);
const TYPING_MS = 300;
const MOST_SUGGESTED = 200;

/** changed: called when something else is wanted. */
export function filters(form, changed) {
  const suggested = { names: new Set(), buckets: new Set(), cameras: new Set() };
  const values = () => Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value.trim()]));
  const any = () => Object.values(values()).some(Boolean);
  let typing = 0;
  let before = "";

  function read() {
    const given = new URLSearchParams(location.search);
    for (const name of NAMES) form.elements[name].value = given.get(name) ?? "";
    dropWrong(given);
    if (OTHER.some((name) => form.elements[name].value)) unfold(true);
    before = query(values());
    $("#clear").hidden = !any();
  }

  /** What a control does not take is taken out of the address, too. */
  function dropWrong(given) {
    const wrong = NAMES.filter((name) => given.get(name)?.trim() && !form.elements[name].value);
    if (!wrong.length) return;
    toast(`${wrong.map((name) => `${name}=${given.get(name)}`).join(", ")}: there is no such filter; it is left out`, "problem");
    for (const name of wrong) form.elements[name].value = ""; // a list that has no such entry shows its first again
    history.replaceState(null, "", location.pathname + query(values()));
  }

  function apply() {
    const now = query(values());
    $("#clear").hidden = !any();
    if (now === before || !form.checkValidity()) return;
    before = now;
    history.replaceState(null, "", location.pathname + now);
    changed();
  }

  function unfold(open) {
    $("#other-filters").hidden = !open;
    $("#more-filters").setAttribute("aria-expanded", open);
  }

  form.addEventListener("input", ({ target }) => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const name = target.value.trim();
      if (target.name !== "person" || !name || suggested.names.has(name)) apply();
      else suggestPeople(name, suggested.names); // half a name is nobody's
    }, TYPING_MS);
  });
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of NAMES) form.elements[name].value = "";
    apply();
    form.elements.person.focus();
  });
  $("#more-filters").addEventListener("click", () => unfold($("#other-filters").hidden));
  addEventListener("popstate", () => {
    read();
    changed();
  });
  read();

  return { any, clear: () => form.reset(), asked: () => parameters(values()), suggest: (entries) => suggest(entries, suggested) };
}

/** Of `GET /api/v1/activity`. The form's times are the machine's. */
function parameters({ from, to, min, max, ...same }) {
  const utc = (local) => local && new Date(local).toISOString();
  return { ...same, since: utc(from), until: utc(to), min_similarity: min, max_similarity: max };
}

function suggest(entries, { names, buckets, cameras }) {
  for (const { bucket, camera, faces } of entries) {
    if (bucket) buckets.add(bucket);
    if (camera) cameras.add(camera);
    for (const { person } of faces) if (person) names.add(person);
  }
  options("#names", names);
  options("#buckets", buckets);
  options("#cameras", cameras);
}

async function suggestPeople(text, names) {
  if (!text || !collection || names.has(text)) return;
  const { items } = await get(path`/api/v1/collections/${collection}/people`.concat(query({ q: text, limit: 10 })));
  for (const { name } of items) names.add(name);
  options("#names", names);
}

function options(list, values) {
  show($(list), [...values].slice(-MOST_SUGGESTED).map((value) => h("option", { value })));
}
