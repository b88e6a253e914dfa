// One person: their faces, and who they are.

import { ask, get, mayAll, mayEnroll, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { count, time } from "./format.js";
import { below, crop, peoplePage, personPage } from "./people-common.js";
import { enrolment } from "./people-enrol.js";
import { forget, receiptsOf } from "./person-forget.js";
import { facesOf } from "./person-faces.js";
import { history as historyOf } from "./person-history.js";
import { merge } from "./person-merge.js";
import { attempt, empty, failed, field, load, question, toastNext } from "./ui.js";

const id = new URLSearchParams(location.search).get("id") ?? "";

/** shown.person: as they are now. */
async function begin() {
  try {
    const shown = { person: await get(below`people/${id}/now`) };
    if (shown.person.user_id !== id) return location.replace(personPage(shown.person.user_id)); // renamed or merged since
    const faces = facesOf(shown, { changed: refresh });
    about(shown.person);
    await faces.restart();
    if (mayEnroll) enrolment($("#enrol"), { person: shown.person, done: refresh });
    await historyOf($("#history"), shown.person, { undone });
    if (location.hash === "#name") $("#name").focus(); // after a change of name, or one that was taken back

    async function refresh() {
      shown.person = await get(below`people/${id}`).catch(() => null);
      if (!shown.person) return location.assign(peoplePage()); // their last face is gone
      about(shown.person);
      await faces.restart();
      return historyOf($("#history"), shown.person, { undone });
    }
  } catch (error) {
    if (error.status !== 404) {
      show($("#person"), failed(error, () => location.reload()));
      throw error;
    }
    nobody();
  }
}

function nobody() {
  const text = id ? "They may have been deleted." : "The address names nobody.";
  show($("#person"), h("h1", {}, "Nobody"), empty("Nobody is here", text, h("a.button", { href: peoplePage() }, "To all people")));
}

/** Whose page this was may be called otherwise again, or be no more: then it goes on with whom the change began with. */
async function undone({ names }) {
  const named = async (name) => (await get(below`people` + query({ q: name, limit: 200 }))).items.find((each) => each.name === name);
  const found = (await Promise.all([...names].reverse().map(named))).filter(Boolean);
  const here = found.some((each) => each.user_id === id);
  location.hash = "name";
  if (here || !found.length) location.reload();
  else location.replace(`${personPage(found[found.length - 1].user_id)}#name`);
}

function about(person) {
  document.title = `${person.name} · faceline`;
  $("#name").textContent = person.name;
  show(
    $("#about"),
    h("div", {}, crop(person.best_face_id, person.name, `The best face of ${person.name}`)),
    h(
      "dl.facts",
      {},
      ...fact("Faces", count(person.faces, "face")),
      ...fact("Added", time(person.created_at)),
      ...fact("Earlier names", person.earlier_names.join(", ")),
      ...fact("Consent", person.consents.join(", ")),
    ),
    actions(person),
  );
}

const fact = (what, value) => (value ? [h("dt", {}, what), h("dd", {}, value)] : []);

const actions = (person) =>
  h(
    "div.actions",
    {},
    mayEnroll && h("button", { type: "button", onclick: () => attempt(() => rename(person)) }, "Rename"),
    mayEnroll && h("button", { type: "button", onclick: () => attempt(() => merge(person)) }, "Merge with somebody"),
    h("a.button", { href: `/${query({ person: person.name })}` }, "Where they were seen"),
    mayAll && h("button.danger", { type: "button", onclick: () => attempt(() => forget(person, $("#person"))) }, "Delete"),
  );

async function rename(person) {
  const name = h("input", { name: "name", value: person.name, required: true, maxlength: 255, autocomplete: "off" });
  const text = "Results from before keep the old name; deleting the person finds both.";
  let done = null;
  const work = async (given) => {
    done = await ask("POST", below`people/${person.user_id}/rename`, { name: given.name.trim() });
  };
  await question(`Rename ${person.name}`, { text, fields: [field("New name", name)], action: "Rename", work });
  if (!done) return;
  toastNext(`${person.name} is now called ${done.person.name}`);
  location.replace(`${personPage(done.person.user_id)}#name`);
}

const receipts = new URLSearchParams(location.search).getAll("receipt");
if (receipts.length) load($("#person"), () => receiptsOf(receipts));
else if (id) begin();
else nobody();
