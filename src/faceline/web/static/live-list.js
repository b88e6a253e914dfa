// The list of entries: pages of older ones at its end, new ones at its beginning, and never too many at once.

import { get, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { attempt, failed, loading } from "./ui.js";
import { card } from "./live-card.js";

const PAGE = 50;
const AT_ONCE = 200; // new ones that are put in; beyond, the list is begun anew
const MOST = 800; // cards in the page
const NEAR_TOP_PX = 400;

/**
 * asked: gives the filters' parameters. opened(entry): a card was clicked. none: gives what stands for an empty list.
 * held(n): so many new ones wait above; 0 none, null: the newest are no longer shown. shown, arrived: get entries;
 * shown also whether there are any at all.
 */
export function entryList(parent, { asked, opened, none, held, shown, arrived }) {
  const list = h("ul.grid.entries", { role: "list" });
  const more = h("button.more", { type: "button", onclick: () => attempt(older) }, "Show older ones");
  const watcher = new IntersectionObserver(([sight]) => sight.isIntersecting && !more.disabled && attempt(older), { rootMargin: "800px" });
  let newest = 0; // the highest position that was asked for
  let next = null; // where older ones begin
  let turn = 0; // of restarts: answers to what is no longer asked are dropped
  let waiting = 0;
  let apart = false; // whether the beginning was let go of
  let asking = null;
  let again = false;
  let late = false; // news came while the list was asked for

  const ask = (parameters) => get(`/api/v1/activity${query({ ...asked(), limit: PAGE, ...parameters })}`);
  const entries = () => [...list.children];

  function hold(count) {
    waiting = count;
    held(apart ? null : waiting);
  }

  async function restart() {
    const mine = ++turn;
    if (!list.childElementCount) show(parent, loading());
    parent.setAttribute("aria-busy", "true");
    try {
      const page = await ask({});
      if (mine !== turn) return;
      newest = Math.max(0, ...page.items.map(({ position }) => position));
      next = page.next;
      apart = false;
      show(list, ...page.items.map(drawn));
      hold(0);
      fill(page.items);
    } catch (error) {
      if (mine !== turn) return;
      show(list);
      show(parent, failed(error, restart));
    } finally {
      if (mine === turn) parent.removeAttribute("aria-busy");
    }
    if (late) news();
  }

  function fill(items) {
    if (!list.childElementCount) show(parent, none());
    else if (!list.isConnected) show(parent, list); // else it stays, with whatever has the focus
    if (next === null) more.remove();
    else if (list.isConnected) list.after(more);
    shown(items, list.childElementCount > 0);
  }

  function drawn(entry) {
    const element = card(entry, () => opened(element.entry));
    element.entry = entry;
    return element;
  }

  async function older() {
    const mine = turn;
    more.disabled = true;
    try {
      const page = await ask({ after: next });
      if (mine !== turn) return;
      next = page.next;
      list.append(...page.items.map(drawn));
      letGo();
      fill(page.items);
    } finally {
      more.disabled = false;
      watcher.unobserve(more); // told again, should it still be in sight
      watcher.observe(more);
    }
  }

  /** Takes whole rows from the beginning, so that nothing moves sideways, nor up: what is in sight stays there. */
  function letGo() {
    const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const surplus = Math.max(list.childElementCount - MOST, 0);
    const gone = entries().slice(0, Math.ceil(surplus / columns) * columns);
    if (!gone.length) return;
    const before = list.lastChild.getBoundingClientRect().top;
    for (const each of gone) each.remove();
    scrollBy(0, list.lastChild.getBoundingClientRect().top - before);
    apart = true;
    hold(waiting);
  }

  /** What came since, one request at a time. */
  async function news() {
    again = true;
    if (asking) return;
    while (again) {
      again = false;
      asking = attempt(takeNews);
      await asking;
    }
    asking = null;
  }

  async function takeNews() {
    const mine = turn;
    late = parent.hasAttribute("aria-busy");
    if (late) return;
    const page = await ask({ newer_than: newest, limit: AT_ONCE });
    if (mine !== turn || !page.items.length) return;
    newest = page.items.at(-1).position;
    const atTop = scrollY < NEAR_TOP_PX && !$("dialog[open]");
    if (apart || !atTop) hold(waiting + page.items.length);
    else if (page.next !== null || list.childElementCount > MOST) await restart();
    else putFirst(page.items);
    arrived(page.items);
  }

  function putFirst(items) {
    for (const entry of items) {
      const old = entries().find((each) => sameObject(each.entry, entry)); // new bytes, or worked on again
      const focused = old?.contains(document.activeElement);
      old?.remove();
      const element = drawn(entry);
      element.classList.add("new");
      list.prepend(element);
      if (focused) $(".entry-open", element).focus({ preventScroll: true });
    }
    fill(items);
  }

  function remove(entry) {
    const shown = entries().find((each) => each.entry.position === entry.position);
    const next = shown?.nextElementSibling ?? shown?.previousElementSibling;
    shown?.remove();
    fill([]);
    if (next) $(".entry-open", next).focus();
  }

  /** What is shown is brought to what is known now: entries go, or are changed when somebody is forgotten. */
  async function refresh() {
    const [mine, all] = [turn, entries()];
    if (apart || !all.length || $("dialog[open]") || parent.hasAttribute("aria-busy")) return;
    const oldest = all.at(-1).entry.position;
    const known = new Map();
    for (let after, left = MOST / AT_ONCE; after !== null && left > 0; left -= 1) {
      const page = await ask({ after, limit: AT_ONCE }).catch(() => null); // a later one will do
      if (!page || mine !== turn) return;
      for (const entry of page.items) known.set(entry.position, entry);
      after = page.items.some(({ position }) => position <= oldest) ? null : page.next;
      if (after !== null && left === 1) return; // more came meanwhile than is looked through
    }
    for (const each of all) renew(each, known.get(each.entry.position));
    if (!list.childElementCount) fill([]);
  }

  function renew(element, entry) {
    if (!element.isConnected || (entry && JSON.stringify(entry) === JSON.stringify(element.entry))) return;
    const focused = element.contains(document.activeElement);
    const fresh = entry && drawn(entry);
    if (fresh) element.replaceWith(fresh);
    else element.remove();
    if (focused) $(".entry-open", fresh ?? list)?.focus({ preventScroll: true });
  }

  /** The entry before (-1) or after (1) this one in the list, or undefined. */
  function beside(entry, step) {
    const all = entries();
    return all[all.findIndex((each) => each.entry.position === entry.position) + step]?.entry;
  }

  watcher.observe(more);
  return { restart, news, beside, remove, refresh, focusFirst: () => $(".entry-open", list)?.focus() };
}

const sameObject = (a, b) => Boolean(b.key) && a.bucket === b.bucket && a.key === b.key;
