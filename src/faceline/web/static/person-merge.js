// Two people made one: who may be the same is suggested, and both are shown before it is done.

import { ask, get, query } from "./api.js";
import { h, show } from "./dom.js";
import { count, similarity } from "./format.js";
import { below, crop, debounced, personPage } from "./people-common.js";
import { attempt, field, question, toastNext } from "./ui.js";

const SHOWN = 8;

export async function merge(person) {
  const { items: alike } = await get(below`people/${person.user_id}/alike` + query({ limit: SHOWN }));
  const preview = h("fieldset.couple", { "aria-live": "polite" });
  const likely = h("fieldset.likely", {});
  const search = h("input", { type: "search", placeholder: "Search by name", autocomplete: "off", maxlength: 255 });
  let people = [];

  function list(found, legend) {
    people = found;
    const none = found.length ? null : h("p.muted", {}, "Nobody else.");
    show(likely, h("legend.muted", {}, legend), none, found.map((each) => option(each, choose)));
    preview.hidden = true;
  }

  function choose(userId) {
    const other = people.find((each) => each.person.user_id === userId);
    preview.hidden = false;
    show(preview, h("legend", {}, "Whose name stays?"), side(person, true), side(other.person, false));
  }

  search.addEventListener(
    "input",
    debounced(() =>
      attempt(async () => {
        const q = search.value.trim();
        if (!q) return list(alike, "Most alike");
        const { items } = await get(below`people` + query({ q, limit: SHOWN }));
        const others = items.filter((each) => each.user_id !== person.user_id);
        return list(others.map((each) => ({ person: each, similarity: null })), "Found by name");
      }),
    ),
  );
  list(alike, "Most alike");

  const given = await question(`Who is the same as ${person.name}?`, {
    text: "All faces of both become one person's. It can be undone.",
    fields: [field("Somebody else", search), likely, preview],
    action: "Merge",
  });
  if (!given?.other) return;
  const [from, into] = given.stays === person.user_id ? [given.other, person.user_id] : [person.user_id, given.other];
  const done = await ask("POST", below`people/${from}/merge`, { into });
  toastNext(`They are one now: ${done.person.name}, ${count(done.person.faces, "face")}`);
  location.hash = "name";
  if (into === person.user_id) location.reload();
  else location.assign(`${personPage(done.person.user_id)}#name`);
}

const option = ({ person, similarity: value }, choose) =>
  h(
    "label",
    {},
    h("input", { type: "radio", name: "other", value: person.user_id, required: true, onchange: () => choose(person.user_id) }),
    crop(person.best_face_id, person.name),
    h("span", {}, person.name),
    value === null ? null : h("small", {}, similarity(value)),
  );

const side = (person, stays) =>
  h(
    "div.card",
    {},
    crop(person.best_face_id, person.name, `The best face of ${person.name}`),
    h("p", {}, h("small", {}, count(person.faces, "face"))),
    h("label", {}, h("input", { type: "radio", name: "stays", value: person.user_id, checked: stays }), ` ${person.name}`),
  );
