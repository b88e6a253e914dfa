// Dead letters: what they are about, why they failed, another try, and removal.

import { ask, mayAll } from "./api.js";
import { $, h } from "./dom.js";
import { count, time } from "./format.js";
import { attempt, question, toast } from "./ui.js";

/** dead: a page of the API. more: shows more of them. refresh: asks for everything again. */
export function letters(dead, { more, refresh }) {
  if (!dead.items.length) return h("p.muted", {}, "None: all work could be done.");
  const heads = ["Died", "What", "Reason"].map((text) => h("th", { scope: "col" }, text));
  const table = h(
    "table.letters",
    {},
    h("caption.sr-only", {}, "Work that could not be done, oldest first in each queue"),
    h("thead", {}, h("tr", {}, heads, mayAll && h("td", {}))),
    h("tbody", {}, dead.items.map((letter) => row(letter, refresh))),
  );
  const further = h("button.more", { type: "button", onclick: () => attempt(more), dataset: { focus: "more" } }, "Show more");
  return [h("div.scroll", {}, table), dead.next && further];
}

/** The button for all of them. */
export function actions(some, refresh) {
  if (!some || !mayAll) return [];
  const all = () => redrive({ title: "Send all dead letters again?", body: {}, refresh });
  return h("button", { type: "button", onclick: all, dataset: { focus: "all" } }, "Send all again");
}

function row(letter, refresh) {
  const what = letter.key === null ? `Message ${letter.message_id.slice(0, 8)}…` : `${letter.bucket}/${letter.key}`;
  const again = () =>
    redrive({ title: `Send ${what} again?`, body: { queue: letter.queue, message_ids: [letter.message_id] }, refresh });
  const gone = () => discard({ title: "Delete this dead letter?", what, letter, refresh });
  const button = (text, label, onclick, focus) =>
    h("button", { type: "button", onclick, "aria-label": label, dataset: { focus } }, text);
  const buttons = h(
    "div.row",
    {},
    button("Send again", `Send ${what} again`, again, letter.message_id),
    button("Delete", `Delete the dead letter of ${what}`, gone, `delete ${letter.message_id}`),
  );
  const body = letter.body && h("details", {}, h("summary", {}, "The message"), h("pre.body", {}, letter.body));
  const facts = [letter.queue, count(letter.deliveries, "try", "tries"), letter.request_id && `request ${letter.request_id}`];
  return h(
    "tr",
    {},
    h("td.keep", {}, h("time", { datetime: letter.died_at }, time(letter.died_at))),
    h("td", {}, what, h("small.purpose", {}, facts.filter(Boolean).join(" · ")), body),
    h("td", {}, letter.reason),
    mayAll && h("td", {}, buttons),
  );
}

async function redrive({ title, body, refresh }) {
  const text = "They go back to their queue and are tried afresh. What was wrong should be mended first, or they come back here.";
  if (!(await question(title, { text, action: "Send again" }))) return;
  const done = await attempt(() => ask("POST", "/api/v1/dead-letters/redrive", body));
  if (!done) return;
  toast(`${count(done.redriven, "message is", "messages are")} back in the queue.`);
  await refresh();
  $("#dead-title").focus();
}

async function discard({ title, what, letter, refresh }) {
  const kept = letter.key === null ? "" : ` ${what} itself stays, without a result.`;
  if (!(await question(title, { text: `It will not be tried again, and cannot be brought back.${kept}`, action: "Delete", danger: true }))) return;
  const body = { queue: letter.queue, message_ids: [letter.message_id] };
  const done = await attempt(() => ask("POST", "/api/v1/dead-letters/discard", body));
  if (!done) return;
  toast(done.discarded ? "The dead letter is deleted." : "It was no dead letter any more.");
  await refresh();
  $("#dead-title").focus();
}
