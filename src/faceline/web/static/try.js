// Try: what is in one photo, or whether two show the same person. The photos are shown from the visitor's own files.

import { ask, collection as chosen, get, query, send } from "./api.js";
import { $, h, show } from "./dom.js";
import { attempt, dropZone, field, load, toast } from "./ui.js";
import { comparison } from "./try-compare.js";
import { detection } from "./try-faces.js";

const page = $("#try");
let photos = []; // of one file, or of two: { file, url, example }
let looking = null; // stops what is asked for when something else is wanted
const known = peopleSelect();

start();

function start() {
  forget();
  const zone = dropZone("Drop a photo here, or press to choose one. Two are compared.", take);
  const example = h("button", { type: "button", onclick: tryExample }, "Try it with an example photo");
  show(page, h("div.try-start", {}, zone, h("div.row.center", {}, example)));
}

function forget() {
  looking?.abort();
  for (const { url } of photos) URL.revokeObjectURL(url);
  photos = [];
}

/** Of one photo the faces are shown; a second one, or two at once, are compared. */
function take(files, example = false) {
  if (photos.length === 2 || files.length >= 2) forget();
  if (files.length > 2) toast("Two photos are compared at a time; these are the first two.");
  const room = 2 - photos.length;
  photos.push(...files.slice(0, room).map((file) => ({ file, url: URL.createObjectURL(file), example })));
  look();
}

async function look() {
  looking?.abort();
  looking = new AbortController();
  const results = h("div.stack");
  show(page, controls(await known), results);
  await load(results, photos.length === 2 ? compare : detect);
  $("h2", results)?.focus();
}

function controls(select) {
  const again = h("button", { type: "button", onclick: restart }, "Start again");
  return h("div.toolbar.try-controls", {}, photos.length === 1 && select && field("Look for people in", select), again);
}

function restart() {
  start();
  $("input", page).focus();
}

async function detect() {
  const [photo] = photos;
  const collection = (await known)?.value || null;
  const url = `/api/v1/detect${query({ attributes: "emotions", collection })}`;
  const found = await ask("POST", url, photo.file, { signal: looking.signal });
  return [await detection(photo, found), second(photo)];
}

async function compare() {
  const form = new FormData();
  form.append("a", photos[0].file);
  form.append("b", photos[1].file);
  const found = await ask("POST", "/api/v1/compare", form, { signal: looking.signal });
  return [comparison(photos, found), another()];
}

/** Where the photo to compare with goes. */
function second(photo) {
  const zone = dropZone("Drop a second photo here: do they show the same person?", take, { multiple: false });
  const copy = h("button", { type: "button", onclick: compareWithCopy }, "Compare it with a mirrored, darker copy");
  const heading = h("h2", {}, "Compare");
  return h("section.card.stack", {}, heading, zone, photo.example && h("div.row.center", {}, copy));
}

const another = () => dropZone("Drop one photo, or two, to go on.", take);

async function tryExample() {
  const picture = await attempt(async () => (await send("GET", "/api/v1/example")).blob());
  if (picture) take([new File([picture], "Eileen Collins, NASA.jpg", { type: "image/jpeg" })], true);
}

async function compareWithCopy() {
  const picture = await createImageBitmap(photos[0].file);
  const canvas = h("canvas", { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d");
  context.filter = "brightness(0.6)";
  context.setTransform(-1, 0, 0, 1, picture.width, 0);
  context.drawImage(picture, 0, 0);
  const copy = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  take([new File([copy], "mirrored and darker.jpg", { type: "image/jpeg" })]);
}

/** In which collection people are looked for; null where nobody is enrolled. */
async function peopleSelect() {
  const { items } = await get("/api/v1/collections").catch(() => ({ items: [] }));
  const names = items.filter((each) => each.faces).map((each) => each.name);
  if (!names.length) return null;
  const options = names.map((name) => h("option", { value: name, selected: name === chosen }, name));
  return h("select", { onchange: look }, ...options, h("option", { value: "" }, "nowhere: only find the faces"));
}
