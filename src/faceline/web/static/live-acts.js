// What can be done with an entry: a face of its photo enrolled under a name, the photo deleted with all that was made of it.

import { ask, collection, get, mayAll, mayEnroll, path, query } from "./api.js";
import { h, show } from "./dom.js";
import { attempt, field, question, toast } from "./ui.js";
import { clipId, titleOf } from "./live-card.js";

const SUGGESTED = 10;
const TYPING_MS = 200;

/** A button by which a face of a photo gets a name, or null where it has one or may get none. number: from 1 on. */
export function enrolButton(entry, face, number) {
  if (!mayEnroll || entry.kind !== "photo" || !face.box || !["unknown", "ambiguous", "detected"].includes(face.status)) return null;
  const within = entry.collection ?? collection;
  const button = h("button", { type: "button", onclick: () => attempt(enrol) }, "Enrol as …");
  button.setAttribute("aria-label", `Enrol face ${number} as …`);
  const said = h("p", { role: "status" });

  async function enrol() {
    const given = await askName(number, within);
    if (!given) return;
    button.disabled = true;
    try {
      const wanted = { name: given.name.trim(), consent: given.consent.trim() || null };
      const position = await positionNow(entry);
      told(await ask("POST", path`/api/v1/activity/${position}/faces/${number}/enroll`, wanted));
    } finally {
      button.disabled = false;
    }
  }

  function told({ person, reason, advice, already }) {
    if (reason) return show(said, `Not enrolled: ${reason}. ${advice ?? ""}`);
    const page = `/person${query({ id: person.user_id, collection: within })}`;
    show(said, already ? "Enrolled before as " : "Enrolled as ", h("a", { href: page }, person.name), ". They will be named in new photos.");
    return button.remove();
  }
  return h("div", {}, button, said);
}

/** A photo of which a face was enrolled is worked on again, and its entry is a newer one then. */
async function positionNow(entry) {
  const { items } = await get(`/api/v1/activity${query({ bucket: entry.bucket, limit: 200 })}`);
  return items.find(({ key }) => key === entry.key)?.position ?? entry.position;
}

function askName(number, within) {
  const list = h("datalist", { id: "enrol-names" });
  const input = h("input", { name: "name", required: true, maxlength: 255, list: list.id, autocomplete: "off" });
  let typing = 0;
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(suggest, TYPING_MS);
  });
  async function suggest() {
    const url = path`/api/v1/collections/${within}/people`.concat(query({ q: input.value.trim(), limit: SUGGESTED }));
    const { items } = await get(url).catch(() => ({ items: [] }));
    show(list, items.map(({ name }) => h("option", { value: name })));
  }
  const consent = h("input", { name: "consent", maxlength: 255, autocomplete: "off" });
  const fields = [field("Name", input), list, field("Reference to their consent", consent, "Where one is kept")];
  return question(`Who is face ${number}?`, { text: "Exactly this face of the photo is enrolled, whoever else is in it.", fields, action: "Enrol" });
}

/** A button that deletes the photo or clip, or null. done: called when it is gone. */
export function deleteButton(entry, done) {
  if (!mayAll || entry.kind === "camera") return null;
  const clip = entry.kind === "clip";
  const url = clip
    ? path`/api/v1/clips/${clipId(entry.key)}`
    : path`/buckets/${entry.bucket}/`.concat(entry.key.split("/").map(encodeURIComponent).join("/"));
  async function remove() {
    const text = `The ${clip ? "clip" : "photo"}, its records and its results are deleted. Nobody's enrolled faces are touched.`;
    if (!(await question(`Delete ${titleOf(entry)}?`, { text, action: "Delete", danger: true }))) return;
    await ask("DELETE", url);
    toast(`${titleOf(entry)} is deleted`);
    done();
  }
  return h("button.danger", { type: "button", onclick: () => attempt(remove) }, "Delete");
}
