// The live page: what was seen, newest first, as it comes.

import { collection, get, mayEnroll, path, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { called } from "./faces.js";
import { count } from "./format.js";
import { empty } from "./ui.js";
import { details } from "./live-details.js";
import { filters } from "./live-filters.js";
import { moveByKeys } from "./live-keys.js";
import { entryList } from "./live-list.js";
import { stream } from "./live-stream.js";
import { uploads } from "./live-uploads.js";

const REFRESH_MS = 60_000; // so long a card may show somebody who was forgotten meanwhile

const wanted = filters($("#filters"), () => list.restart());
const list = entryList($("#entries"), {
  asked: wanted.asked,
  opened: (entry) => details(entry, list.beside, list.remove),
  none: () => (wanted.any() ? noneMatches() : nothingYet()),
  held: (waiting) => {
    $("#arrived").hidden = waiting === 0;
    show($("#arrived"), waiting === null ? "Back to the newest" : `${count(waiting, "new entry", "new entries")}: show`);
  },
  shown: (entries, any) => {
    wanted.suggest(entries);
    $("#keys").hidden = !any;
  },
  arrived: (entries) => show($("#said"), `New: ${entries.slice(0, 3).map(told).join("; ")}`),
});
const arriving = mayEnroll && uploads($("#uploads"), $("#files"));
const live = stream($("#state"), { news: list.news, told: (entry) => arriving && arriving.seen(entry) });

const told = (entry) => (entry.error ? "an error" : entry.faces.map(called).join(", ") || "no face");

function noneMatches() {
  const clear = h("button", { type: "button", onclick: wanted.clear }, "Clear filters");
  return empty("Nothing here matches", "New pictures that match appear by themselves. A person is found by the whole name.", clear);
}

function nothingYet() {
  const place = h("div", {}, "…");
  get(`/api/v1/upload-place${query({ name: "photo.jpg" })}`).then(({ bucket, key }) => {
    const folder = key.slice(0, key.lastIndexOf("/") + 1);
    const url = path`/buckets/${bucket}/`.concat(folder);
    show(
      place,
      "Or copy some into ", h("code", {}, `buckets/${bucket}/${folder}`), " of the data directory, or send one:",
      h("pre", { tabindex: "0" }, `curl -T photo.jpg -H "Authorization: Bearer $(cat faceline-data/admin.key)" ${location.origin}${url}`),
    );
  }).catch((error) => show(place, error.message));
  const first = h("button.primary", { type: "button", onclick: () => $("#files").click() }, "Choose photos");
  return empty(
    "Nothing was seen yet",
    mayEnroll ? "Drop photos anywhere on this page." : "Photos appear here as soon as they come.",
    ...(mayEnroll ? [first, place] : []),
    h("p", {}, "Faces get names once somebody is enrolled: see ", h("a", { href: `/people${query({ collection })}` }, "People"), "."),
  );
}

$("#pause").addEventListener("click", () => {
  const paused = live.toggle();
  $("#pause").setAttribute("aria-pressed", paused);
});
$("#arrived").addEventListener("click", async () => {
  await list.restart();
  scrollTo({ top: 0 });
  list.focusFirst();
});
const refresh = () => document.hidden || list.refresh();
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, REFRESH_MS);
moveByKeys($("#entries"));
list.restart();
