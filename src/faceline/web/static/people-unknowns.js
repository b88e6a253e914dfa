// "Who are they?": strangers who were seen, in groups to be named.

import { ask, get, mayAll, mayEnroll, query } from "./api.js";
import { $, h, show } from "./dom.js";
import { count, similarity, time } from "./format.js";
import { below, nameInput } from "./people-common.js";
import { attempt, field, question, toast } from "./ui.js";

const SHOWN = 6;
const MOST = 50;

/** named: called with the person whom a group was named. */
export async function strangers(section, { consentRequired, named }) {
  const first = await get(below`unknowns` + query({ limit: SHOWN })).catch(() => null);
  if (!first || (!first.total && first.kept)) return;
  section.hidden = false;
  if (!first.total) return show(section, notKept());
  const left = h("span.muted", {});
  const list = h("div.strangers-list", {});
  const more = h("button.more", { type: "button", onclick: () => attempt(next) }, "Show more");
  const about = mayEnroll && h("p.muted", {}, "Naming a group cannot be undone; on the person’s page faces can be split off.");
  show(section, h("div.spread", {}, h("h2", { id: "strangers-title" }, "Who are they?"), left), about, list, more);
  let { total } = first;
  let ended = false;
  add(first);

  /** Only when asked for: people come below. The groups that were named are not counted any more. */
  async function next() {
    add(await get(below`unknowns` + query({ after: list.childElementCount, limit: SHOWN })));
  }

  function add(page) {
    list.append(...page.items.map((group) => groupCard(group, { consentRequired, gone })));
    ended = page.next === null;
    say();
  }

  function say() {
    left.textContent = `${count(total, "group")} of faces that were not recognised`;
    more.hidden = ended;
    section.hidden = !total;
  }

  function gone(card, person) {
    const beside = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    total -= 1;
    say();
    if (person) named(person);
    (beside?.querySelector("input") ?? $("#search input")).focus();
    attempt(fill);
  }

  /** Groups move up for those that went, and who was named may be like some that are here. What is typed stays. */
  async function fill() {
    const page = await get(below`unknowns` + query({ limit: Math.min(Math.max(list.childElementCount, SHOWN), MOST) }));
    const shown = new Map([...list.children].map((card) => [card.group.group_id, card]));
    for (const group of page.items) {
      const old = shown.get(group.group_id);
      if (!old) list.append(groupCard(group, { consentRequired, gone }));
      else if (old.group.known !== group.known && !old.contains(document.activeElement)) old.replaceWith(groupCard(group, { consentRequired, gone }));
    }
    ({ total } = page);
    ended = list.childElementCount >= total;
    say();
  }
}

/** An empty state that says which setting makes groups appear. */
const notKept = () =>
  h(
    "details.card",
    {},
    h("summary", {}, h("span", { id: "strangers-title" }, "Who are they? Strangers can be grouped here")),
    h("p", {}, "Faces that were not recognised are not kept now. With the setting ", h("code", {}, "keep_unknown_faces = true"), " they are, for 30 days by default; then strangers who come again appear here, to be named with one click."),
    h("pre", {}, "FACELINE_KEEP_UNKNOWN_FACES=true faceline up"),
  );

function groupCard(group, { consentRequired, gone }) {
  const { input, list } = nameInput({ value: group.known ?? "", placeholder: "A name", "aria-label": `Name of the stranger seen ${count(group.faces, "time")}` });
  const consent = consentRequired ? h("input", { type: "text", maxlength: 255, required: true }) : null;
  const card = h(
    "article.stranger.card",
    {},
    h("div.stranger-faces", {}, group.face_ids.map((id, i) => face(id, i, group))),
    h("p.muted.stranger-seen", {}, seen(group)),
    h("p.muted.stranger-seen", { title: group.sources.join("\n") }, group.sources[0].split("/").pop()),
    group.known && h("p.muted", {}, `Looks like ${group.known} now.`),
    mayEnroll &&
      h(
        "form.row",
        { onsubmit: (event) => (event.preventDefault(), attempt(name)) },
        h("div.grow", {}, input, list, consent && field("Consent reference", consent)),
        h("button.primary", { type: "submit" }, "Name"),
        mayAll && h("button.quiet", { type: "button", "aria-label": "Delete these faces", title: "Delete these faces", onclick: () => attempt(drop) }, "Delete"),
      ),
  );

  card.group = group;

  async function name() {
    const given = { name: input.value.trim(), consent: consent?.value.trim() || null };
    const done = await ask("POST", below`unknowns/${group.group_id}/name`, given);
    toast(`${done.person.name}: ${count(done.enrolled, "face")} added`);
    gone(card, done.person);
  }

  async function drop() {
    const text = `${count(group.faces, "face")} of somebody unknown will be gone for good.`;
    if (!(await question("Delete these faces?", { text, action: "Delete", danger: true }))) return;
    await ask("DELETE", below`unknowns/${group.group_id}`);
    toast("Deleted");
    gone(card, null);
  }
  return card;
}

const face = (id, i, group) =>
  h("img.crop", {
    src: below`unknowns/faces/${id}/crop`,
    alt: i ? "" : `The best of ${count(group.faces, "face")} of a stranger`,
    loading: "lazy",
    width: 72,
    height: 72,
  });

function seen({ faces, similarity: value, first_seen_at: first, last_seen_at: last }) {
  const alike = value === null ? "" : `, similarity ${similarity(value)}`;
  const [from, to] = [time(first), time(last)];
  const when = from === to ? to : `${from} to ${to}`;
  return `${count(faces, "face")}${alike} · ${when}`;
}

