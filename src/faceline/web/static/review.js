// The page Review: three tabs, each built when it is first opened.

import { $ } from "./dom.js";
import { choose, chosen } from "./review-place.js";
import { pairs } from "./review-pairs.js";
import { reports } from "./review-reports.js";
import { statistics } from "./review-statistics.js";

const PANELS = { pairs, reports, statistics };
const tabs = [...document.querySelectorAll("[role=tab]")];
const panelOf = (tab) => $(`#${tab.getAttribute("aria-controls")}`);
const nameOf = (tab) => tab.id.replace("tab-", "");
const built = new Set();

function open(tab) {
  for (const each of tabs) {
    const mine = each === tab;
    each.setAttribute("aria-selected", String(mine));
    each.tabIndex = mine ? 0 : -1;
    panelOf(each).hidden = !mine;
  }
  const name = nameOf(tab);
  if (built.has(name)) return;
  built.add(name);
  PANELS[name](panelOf(tab));
}

function switchTo(tab) {
  choose({ tab: nameOf(tab) }, { kept: true });
  open(tab);
}

const wanted = () => tabs.find((tab) => nameOf(tab) === chosen().tab) ?? tabs[0];

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => tab.ariaSelected !== "true" && switchTo(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    next.focus();
    switchTo(next);
  });
}
addEventListener("popstate", () => open(wanted()));
open(wanted());
