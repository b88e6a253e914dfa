// Photos to enrol: each gets a row with its picture, a name, and then what became of it.

import { ask, get, query } from "./api.js";
import { h, show } from "./dom.js";
import { count, similarity } from "./format.js";
import { below, crop, nameInput, personPage, qualityBadge } from "./people-common.js";
import { dropZone, field } from "./ui.js";

/**
 * Fills the section with a drop zone. person: whose photos these are; null: each photo's name is asked for.
 * done: called with the person of each photo that was enrolled.
 */
export function enrolment(section, { person = null, done }) {
  const rows = h("ol.enrol-rows", { "aria-label": "Photos to add" });
  const said = h("p.sr-only", { role: "status" });
  const all = h("button.primary", { type: "button", onclick: enrolAll }, "Add all");
  const clear = h("button.quiet", { type: "button", onclick: tidy }, "Clear the list");
  const actions = h("div.row.enrol-actions", { hidden: true }, all, clear);
  const label = person ? `Drop more photos of ${person.name}, or choose files` : "Drop photos of people here, or choose files";
  const hint = h("small", {}, "Of each photo faceline keeps the face only: its numbers and a small crop.");
  const zone = dropZone(label, take, { accept: "image/*,.heic,.heif,.avif" });
  zone.append(hint);
  show(section, zone, actions, rows, said);
  section.hidden = false;

  let consentRequired = false;
  get(below`people` + query({ limit: 1 })).then((found) => (consentRequired = found.consent_required), () => {});

  const pending = () => [...rows.children].filter((row) => row.enrol);

  function take(files) {
    const made = files.map((file) => rowOf(file, { person, consentRequired, enrolled }));
    rows.append(...made);
    update();
    if (person && !consentRequired) enrolAll();
    else made[0]?.querySelector("input")?.select();
  }

  async function enrolAll() {
    for (const row of pending()) await row.enrol();
  }

  /** focused: the row had the focus, which goes on to the next one. */
  function enrolled(row, answer, focused) {
    update();
    if (focused && !row.enrol) (pending()[0]?.querySelector("input, button") ?? row.querySelector("a") ?? clear).focus();
    const sentences = [...row.querySelector(".enrol-result").children].map((each) => each.textContent.trim().replace(/[.]$/, ""));
    said.textContent = `${row.file.name}: ${sentences.join(". ")}.`;
    if (answer?.person) done(answer.person, answer);
  }

  function tidy() {
    for (const row of [...rows.children]) {
      URL.revokeObjectURL(row.querySelector("img").src);
      row.remove();
    }
    update();
    zone.querySelector("input").focus();
  }

  function update() {
    actions.hidden = !rows.childElementCount;
    const focused = document.activeElement === all;
    all.hidden = pending().length < 2;
    if (all.hidden && focused) clear.focus();
    all.textContent = `Add all ${pending().length}`;
  }
}

/** `Ada_Lovelace_0001.jpg` is a photo of Ada_Lovelace, as `faceline enroll` has it. */
export function labelOf(fileName) {
  const stem = fileName.replace(/\.[^.]*$/, "") || fileName;
  return stem.replace(/[ _-]\d+$/, "") || stem;
}

/** row.enrol: sends the photo; null when there is nothing more to send. */
function rowOf(file, { person, consentRequired, enrolled }) {
  const url = URL.createObjectURL(file);
  const image = h("img", { src: url, alt: "", loading: "lazy", decoding: "async" });
  const frame = h("div.enrol-photo", {}, image);
  image.addEventListener("error", () => frame.classList.add("missing"), { once: true });
  const name = person ? null : nameInput({ value: labelOf(file.name), name: "name" });
  const consent = consentRequired ? h("input", { type: "text", maxlength: 255, name: "consent" }) : null;
  const result = h("div.enrol-result", {});
  const button = h("button.primary", { type: "submit" }, "Add");
  const form = h(
    "form.enrol-form",
    { onsubmit: (event) => (event.preventDefault(), row.enrol?.()) },
    name && field(`Who is on ${file.name}?`, name.input),
    name?.list,
    consent && field("Consent reference", consent),
    button,
  );
  const row = h("li.enrol-row.card", {}, frame, h("div.enrol-body", {}, person && h("p.enrol-file", {}, file.name), form, result));
  row.file = file;
  row.enrol = async () => {
    if (!form.reportValidity() || button.disabled) return;
    const focused = row.contains(document.activeElement);
    button.disabled = true;
    show(result, h("span.row.muted", {}, h("span.spinner", { "aria-hidden": "true" }), "Looking at the photo"));
    const given = { source: file.name, consent: consent?.value.trim() };
    const place = person ? below`people/${person.user_id}/faces` : below`faces`;
    try {
      const answer = await ask("POST", place + query({ ...given, name: name?.input.value.trim() }), file);
      frame.querySelector(".box")?.remove();
      if (answer.box) frame.append(mark(answer));
      show(result, words(answer));
      settled(answer);
      enrolled(row, answer, focused);
    } catch (error) {
      show(result, h("p.enrol-problem", {}, error.message));
      button.disabled = false;
      enrolled(row, null, focused);
    }
  };
  function settled(answer) {
    const again = answer.reason?.startsWith("no consent") || answer.reason?.startsWith("bad consent");
    if (again) {
      button.disabled = false;
    } else {
      row.enrol = null;
      form.hidden = true;
    }
  }
  return row;
}

/** The box of the face within the picture, which may be cut at its sides. */
function mark({ box, width, height, enrolled }) {
  const part = (value) => `${(100 * value).toFixed(2)}%`;
  const style = { left: part(box.left), top: part(box.top), width: part(box.width), height: part(box.height) };
  const inner = h(`div.box.${enrolled ? "matched" : "unknown"}`, { style });
  return h("div.enrol-mark", { "aria-hidden": "true", style: { aspectRatio: `${width} / ${height}`, [width < height ? "height" : "width"]: "100%" } }, inner);
}

/** What became of the photo. */
function words(answer) {
  const { person, quality, reason, advice } = answer;
  if (answer.already) return h("p", {}, "This photo was added before to ", link(person), ".");
  if (!answer.enrolled)
    return [
      h("p.row.wrap", {}, h("span.badge.bad", {}, "Not added"), h("span.sr-only", {}, ": "), h("b", {}, capital(reason))),
      advice && h("p.muted", {}, advice),
    ];
  const others = answer.faces_in_photo - 1;
  return [
    h("p.row.wrap", {}, h("span.badge.good", {}, "Added"), " ", link(person), " ", h("span.muted", {}, `now has ${count(person.faces, "face")}`)),
    h("p.row.wrap", {}, "Quality of the face: ", qualityBadge(quality), " ", quality.level === "good" ? null : h("span.muted", {}, better(quality))),
    others > 0 && h("p.muted", {}, `${count(others, "more face")} in the photo; the largest was taken.`),
    answer.unlike &&
      h("p.warning", {}, h("b", {}, `Not much like the other faces of ${person.name}`), ` (similarity ${similarity(answer.own_similarity)}). Is it really them?`),
    answer.resembles?.alike && resemblance(answer.resembles),
  ];
}

const better = ({ remarks }) =>
  `It will do. Better: ${remarks.map((remark) => BETTER[remark] ?? remark).join(", ")}.`;

const BETTER = {
  small: "a larger face",
  "rather blurred": "a sharper photo",
  "rather dark": "more light",
  "rather bright": "less light",
  "turned to the side": "a photo from the front",
};

const resemblance = ({ person, similarity: value, face_id: faceId }) =>
  h(
    "div.warning.row",
    {},
    h("span.tiny", {}, crop(faceId, person.name)),
    h("p", {}, h("b", {}, "Looks like ", link(person)), ` too (similarity ${similarity(value)}). If they are one person, merge them.`),
  );

const link = (person) => h("a", { href: personPage(person.user_id) }, person.name);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
