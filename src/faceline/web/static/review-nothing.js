// What the tab Pairs shows where there is no pair.

import { collection as usual, mayEnroll } from "./api.js";
import { h, show } from "./dom.js";
import { count } from "./format.js";
import { dropZone, empty } from "./ui.js";

/** loadScan: takes the file of a scan. toDecided: shows the decided pairs. */
export function nothing(queue, { loadScan, toDecided }) {
  const { state, collection, counts } = queue;
  if (state === "decided") return empty("No pair was decided yet", "What you decide comes here, the latest first.");
  if (!counts.decided) return nothingYet(collection, loadScan);
  const left = h("p");
  queue.twoNames().then(
    (found) => show(left, leftToMerge(found, toDecided)),
    () => {}, // the list of decided pairs says it then
  );
  return empty("All pairs are decided", `Nothing is left to look at in ${collection}.`, left);
}

function leftToMerge({ names, more }, toDecided) {
  if (!names) return null;
  const said = `${more ? "At least " : ""}${count(names, "person still has", "people still have")} two names. `;
  return [said, h("button", { type: "button", onclick: toDecided }, "Show the decided pairs")];
}

const nothingYet = (collection, loadScan) =>
  empty(
    "Nothing to review",
    "A scan finds one person under two names, and two people under one. Images to match fill this queue by themselves.",
    h("pre", {}, `faceline review scan --queue${collection === usual ? "" : ` --collection ${collection}`}`),
    mayEnroll && dropZone("Or drop the scan.json of a scan here", ([file]) => loadScan(file), { multiple: false, accept: ".json" }),
  );
