// What was decided about a person; the latest decision of all can be taken back.

import { ask, get, mayEnroll, query } from "./api.js";
import { h, show } from "./dom.js";
import { count, time } from "./format.js";
import { below } from "./people-common.js";
import { attempt, toastNext } from "./ui.js";

const LOOKED_AT = 100;

export async function history(section, person, { undone }) {
  const { items } = await get(below`history` + query({ limit: LOOKED_AT }));
  const names = new Set([person.name, ...person.earlier_names]);
  const theirs = items.filter((change) => change.names.some((name) => names.has(name)));
  if (!theirs.length) return;
  section.hidden = false;
  const entry = (change) => {
    const latest = change.entry === items[0].entry;
    return h(
      "li",
      {},
      h("span", {}, sentence(change)),
      h("small", {}, `${time(change.at)}, by ${change.by}`),
      latest && mayEnroll && h("button", { type: "button", onclick: () => attempt(() => undo(change)) }, "Undo"),
    );
  };
  async function undo(change) {
    await ask("POST", below`undo`, { entry: change.entry });
    toastNext("Taken back");
    undone(change);
  }
  const turn = `The latest change of all is undone first, then the one before. The latest is: ${sentence(items[0])}.`;
  const waits = mayEnroll && theirs[0].entry !== items[0].entry && h("p.muted", {}, turn);
  show(section, h("h2", { id: "history-title" }, "History"), waits, h("ol.changes", {}, theirs.map(entry)));
}

function sentence({ action, names: [first, other], faces, detail }) {
  switch (action) {
    case "merge":
      return `${first} was merged into ${other}: ${count(faces, "face")}`;
    case "rename":
      return `${first} was renamed to ${other}`;
    case "split":
      return `${count(faces, "face")} of ${first} went to ${other}`;
    case "person":
      return `${count(faces, "face")} labelled ${first} became ${other}’s`;
    case "mark":
      return `${detail} was marked as not ${first}`;
    default:
      return `${first} and ${other}: ${detail}`;
  }
}
