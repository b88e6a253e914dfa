// "Labelled, not yet people": faces that the Rekognition API's IndexFaces left with a label and nobody's.

import { ask, get, mayAll, mayEnroll, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { count, time } from "./format.js";
import { below, crop, nameInput, qualityBadge } from "./people-common.js";
import { howToForget } from "./person-forget.js";
import { attempt, empty, field, pagedList, toast } from "./ui.js";

const SHOWN = 6;
const FACES = 30;

/** made: called with the person whom a label became. The answer's `search` looks for a part of the labels. */
export function labelled(section, { made }) {
  const left = h("span.muted", { role: "status" });
  const list = h("div.labels", {});
  const more = h("button.more", { type: "button", onclick: () => attempt(next) }, "Show more");
  const title = h("h2", { id: "labels-title", tabindex: -1 }, "Labelled, not yet people");
  const about = h("p.muted", {}, "Faces that came through the Rekognition API with a label, and are recognised by it. As a person, somebody has a page, a name and more photos.");
  show(section, h("div.spread", {}, title, left), about, list, more);
  let part = "";
  let following = null;
  let total = 0;

  /** Only the answer to the last question is shown. What is wrong, the list of people says. */
  async function search(wanted) {
    part = wanted;
    const page = await get(below`labels` + query({ q: wanted, limit: SHOWN })).catch(() => null);
    if (!page || part !== wanted) return;
    show(list);
    add(page);
  }

  async function next() {
    const before = list.lastElementChild;
    add(await get(below`labels` + query({ q: part, after: following, limit: SHOWN })));
    before?.nextElementSibling?.querySelector("input, button")?.focus();
  }

  function add(page) {
    ({ total, next: following } = page);
    list.append(...page.items.map((item) => labelCard(item, { consentRequired: page.consent_required, gone })));
    say();
  }

  function say() {
    left.textContent = count(total, "label") + (part ? ` with “${part}”` : "");
    more.hidden = following === null;
    section.hidden = !total;
  }

  /** The focus goes on to the next label, so that Enter makes one person after the other. */
  function gone(card, person) {
    const beside = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    total -= 1;
    say();
    if (person) made(person);
    if (beside) (beside.querySelector("input") ?? title).focus();
    else if (total) attempt(() => search(part).then(() => title.focus()));
    else $("#search input").focus();
  }

  return { search };
}

function labelCard({ label, faces, best_face_id: best }, { consentRequired, gone }) {
  const { input, list } = nameInput({ value: label });
  const consent = consentRequired ? h("input", { type: "text", maxlength: 255 }) : null;
  const card = h(
    "article.label.card",
    { "aria-label": label },
    h("div.label-face", {}, crop(best, label)),
    h(
      "div.grow",
      {},
      h("h3", { title: label }, label),
      h(
        "div.row.wrap",
        {},
        h("button.quiet", { type: "button", "aria-label": `${count(faces, "face")} labelled ${label}: look at them`, onclick: () => look(label, faces) }, count(faces, "face")),
        mayAll && h("button.quiet", { type: "button", "aria-label": `Delete ${label}`, onclick: () => attempt(drop) }, "Delete"),
      ),
    ),
    mayEnroll &&
      h(
        "form.label-form",
        { onsubmit: (event) => (event.preventDefault(), attempt(make)) },
        field("Name", input),
        list,
        consent && field("Consent reference, unless one is noted for the label", consent),
        h("button.primary", { type: "submit" }, "Make a person"),
      ),
  );
  input.addEventListener("focus", () => input.select());

  async function make() {
    const given = { label, name: input.value.trim(), consent: consent?.value.trim() || null };
    const { person, change } = await ask("POST", below`labels/person`, given);
    toast(`${person.name} is a person now, with ${count(change.faces, "face")} labelled ${label}`);
    gone(card, person);
  }

  async function drop() {
    const text = `All faces labelled ${label} with numbers and crops, other people’s too, and the label in every result: all of it goes for good. Nothing brings it back.`;
    const given = await howToForget(`Delete ${label}?`, text);
    if (!given) return;
    const { receipt, earlier } = await ask("DELETE", below`labels` + query({ label, ...given }));
    const numbers = [receipt, ...earlier].map((each) => ["receipt", each.receipt]);
    const page = `/person?${new URLSearchParams(numbers)}`;
    toast([`${label} was deleted. The receipt is `, h("a", { href: page }, receipt.receipt)]);
    gone(card, null);
  }
  return card;
}

/** The label's faces, in a dialog. */
function look(label, faces) {
  const list = h("div.labelled-faces", {});
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog.wide",
    { "aria-labelledby": "looked-at" },
    h("h2", { id: "looked-at" }, `${count(faces, "face")} labelled ${label}`),
    h("div.looked-at", { tabindex: 0, role: "group", "aria-label": "Faces" }, list),
    h("div.actions", {}, close),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
  pagedList(list, {
    fetchPage: (after) => get(below`labels/faces` + query({ label, after, limit: FACES })),
    draw: (face) => looked(face, label),
    none: empty("No face is left", "Somebody gave them a name meanwhile, or deleted them."),
  }).restart();
}

const looked = (face, label) =>
  h(
    "figure",
    {},
    crop(face.has_crop ? face.face_id : null, label, `A face labelled ${label}`),
    h("figcaption", {}, qualityBadge(face.quality), h("small", { title: face.source }, face.source.split("/").pop()), h("small", {}, time(face.created_at))),
  );
