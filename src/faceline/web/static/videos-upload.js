// Clips that are dropped: sent with progress, then waited for until they are done.

import { attempt, dropZone } from "./ui.js";
import { Problem, get, path } from "./api.js";
import { $, h, show } from "./dom.js";
import { bytes, count } from "./format.js";

const KINDS = "video/*,.mp4,.m4v,.mov,.mkv,.webm,.avi,.mpg,.mpeg,.ts,.m2ts,.mts,.flv,.ogv,.wmv,.3gp";
const ASK_EVERY_MS = 1500;
const SLOWER = 1.1; // each time, up to:
const ASK_AT_LEAST_MS = 20_000;
const ASK_FOR_MS = 30 * 60_000;
const DEAD_LETTERS = 500;
const bucket = $('meta[name="clips-bucket"]').content;

/** A drop zone with a row for each file below it. done: gets each clip that is finished, as lists give it. */
export function uploads(done) {
  const rows = h("ul.uploads", { "aria-label": "Uploads", hidden: true });
  const take = (files) => {
    rows.hidden = false;
    files.reduce((before, file) => before.then(() => attempt(() => upload(file, rows, done))), Promise.resolve());
  };
  return h("section", { "aria-label": "Upload" }, dropZone("Drop videos here, or choose them", take, { accept: KINDS }), rows);
}

async function upload(file, rows, done) {
  const bar = h("progress", { max: "1", value: "0", "aria-label": `Upload of ${file.name}` });
  const state = h("span", { role: "status" }, `Sending ${bytes(file.size)}`);
  const row = h("li.row", {}, h("span.name", {}, file.name), bar, state);
  rows.prepend(row);
  try {
    const key = await freeKey(file.name);
    await send(path`/buckets/${bucket}/${key}`, file, (part) => (bar.value = part));
    bar.removeAttribute("value"); // from now on nobody knows how long
    show(state, "Looking for faces");
    finished(key).then((item) => end(row, bar, state, item, done), (error) => unfinished(bar, state, error));
  } catch (error) {
    bar.remove();
    show(state, h("span.badge.error", {}, "Failed"), ` ${error.message}`);
    if (!(error instanceof Problem)) throw error;
  }
}

function unfinished(bar, state, error) {
  bar.remove();
  show(state, error instanceof Problem ? error.message : "Nobody knows how it went; reload the page");
}

function end(row, bar, state, item, done) {
  bar.remove();
  const found = [...item.names, ...(item.nameless ? [count(item.nameless, "unnamed", "unnamed")] : [])].join(", ");
  show(state, item.mode ? `Done: ${found || "nobody"}` : `Failed: ${item.error}`);
  done(item);
}

/** A name that no other clip has: what is there is not overwritten. */
async function freeKey(name) {
  const dot = name.lastIndexOf(".");
  const [stem, suffix] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  const taken = await get(`${path`/buckets/${bucket}`}?${new URLSearchParams({ prefix: stem })}`);
  const keys = new Set(taken.map((info) => info.key));
  for (let n = 1; ; n++) {
    const key = n === 1 ? name : `${stem}-${n}${suffix}`;
    if (!keys.has(key)) return key;
  }
}

/** fetch says nothing of its progress. */
function send(url, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.setRequestHeader("X-Faceline-CSRF", $('meta[name="csrf"]').content);
    request.responseType = "json";
    request.upload.onprogress = (event) => progress(event.loaded / Math.max(event.total, 1));
    const broken = "The upload broke off: faceline stopped, or the file is larger than max_upload_bytes allows.";
    request.onerror = () => reject(new Problem(0, "No answer", broken));
    request.onload = () =>
      request.status < 300
        ? resolve(request.response)
        : reject(new Problem(request.status, request.response?.title, request.response?.detail ?? broken));
    request.send(file);
  });
}

async function finished(key) {
  const until = Date.now() + ASK_FOR_MS;
  for (let pause = ASK_EVERY_MS; Date.now() < until; pause = Math.min(pause * SLOWER, ASK_AT_LEAST_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const newest = await get("/api/v1/clips?limit=100");
    const item = newest.items.find((each) => each.key === key);
    if (item) return item;
    await failedFor(key);
  }
  throw new Problem(0, "No answer yet", "Still not done; reload the page later, or look at Health.");
}

/** Throws a Problem when the work on the clip was given up. */
async function failedFor(key) {
  const { items } = await get(`/api/v1/dead-letters?limit=${DEAD_LETTERS}`);
  const dead = items.find((each) => each.bucket === bucket && each.key === key);
  if (dead) throw new Problem(0, "Given up", `Failed: ${dead.reason}. It can be tried again under Health.`);
}
