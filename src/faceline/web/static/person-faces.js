// A person's faces: how good they are, and some of them selected to be split off or deleted.

import { ask, get, mayAll, mayEnroll, path, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { count, time } from "./format.js";
import { below, crop, nameInput, personPage, qualityBadge } from "./people-common.js";
import { attempt, empty, field, pagedList, question, toast } from "./ui.js";

const PAGE = 60;

/** shown.person: whose faces. changed: called after faces went. */
export function facesOf(shown, { changed }) {
  const list = $("#faces");
  const bar = $("#chosen");
  const selected = () => [...list.querySelectorAll("input:checked")].map((each) => each.value);
  const pages = pagedList(list, {
    fetchPage: (after) => get(below`people/${shown.person.user_id}/faces` + query({ after, limit: PAGE })),
    draw: (face) => faceCard(face, shown.person, update),
    none: empty("No face yet", "Until there is one, nobody is recognised as them."),
  });

  function update() {
    const faces = selected();
    if (!faces.length) {
      bar.hidden = true;
      return;
    }
    if (bar.hidden) fillBar();
    bar.hidden = false;
    $("p", bar).textContent = `${count(faces.length, "face")} selected`;
  }

  function fillBar() {
    const { input, list: names } = nameInput({ name: "name" });
    const form = h(
      "form.row",
      { onsubmit: (event) => (event.preventDefault(), attempt(split)) },
      field("Whose face is it?", input),
      names,
      h("button.primary", { type: "submit" }, "Split off"),
    );
    form.style.alignItems = "end";
    show(
      bar,
      h("p", { role: "status" }),
      form,
      mayAll && h("button.danger", { type: "button", onclick: () => attempt(remove) }, "Delete"),
      h("button.quiet", { type: "button", onclick: clear }, "Select none"),
    );
  }

  async function split() {
    const body = { face_ids: selected(), name: $("input", bar).value.trim() };
    const done = await ask("POST", below`people/${shown.person.user_id}/split`, body);
    toast(`${count(done.change.faces, "face")} given to ${done.person.name}`);
    bar.hidden = true;
    await changed();
    show($("#faces-note"), `${count(done.change.faces, "face")} went to `, h("a", { href: personPage(done.person.user_id) }, done.person.name), ".");
    $("#faces-note").hidden = false;
    $("#faces-title").focus();
  }

  async function remove() {
    const faces = selected();
    const { person } = shown;
    const all = faces.length === person.faces ? ` With their last face ${person.name} goes too, without a receipt.` : "";
    const text = `${count(faces.length, "face")} of ${person.name} will be gone for good, with numbers and crops.${all}`;
    if (!(await question("Delete these faces?", { text, action: "Delete", danger: true }))) return;
    for (const face of faces) await ask("DELETE", below`faces/${face}`);
    toast(`${count(faces.length, "face")} deleted`);
    bar.hidden = true;
    await changed();
    $("#faces-title").focus();
  }

  function clear() {
    for (const box of list.querySelectorAll("input:checked")) box.checked = false;
    update();
    $("#faces-title").focus();
  }

  return pages;
}

function faceCard(face, person, update) {
  const picture = crop(face.has_crop ? face.face_id : null, person.name, `A face of ${person.name}`);
  const box = mayEnroll && h("input", { type: "checkbox", value: face.face_id, onchange: update, "aria-label": `Select the face from ${face.source}` });
  const file = face.source.split("/").pop();
  const { brightness, sharpness, size_px: size } = face.quality;
  const figures = `${Math.round(size)} pixels, sharpness ${Math.round(sharpness)}, brightness ${Math.round(brightness)}`;
  return h(
    "article.face",
    {},
    h("label", {}, picture, box),
    h("div", { title: figures }, qualityBadge(face.quality)),
    h("small", { title: face.source }, face.photo ? h("a", { href: pictureOf(face.photo) }, file) : file),
    h("small", {}, time(face.created_at)),
  );
}

/** photo: bucket/key. */
function pictureOf(photo) {
  const [bucket, ...key] = photo.split("/");
  return path`/api/v1/pictures/${bucket}/`.concat(key.map(encodeURIComponent).join("/"), query({ width: 1280 }));
}
