// What pages share: messages, questions, states of a list, drop zones, pages of results.

import { Problem } from "./api.js";
import { $, h, show } from "./dom.js";

/** A message that goes away by itself; problems, and what has a link, stay until closed. text: or an array of it and elements. */
export function toast(text, kind = "done") {
  const close = h("button.quiet", { type: "button", "aria-label": "Close this message", onclick: () => box.remove() }, "×");
  const box = h(`div.toast.${kind}`, {}, h("span", {}, ...[text].flat()), close);
  $("#toasts").append(box);
  if (kind !== "problem" && typeof text === "string") setTimeout(() => box.remove(), 5000);
}

const KEPT = "toast";

/** A message that the page shows which comes next. */
export const toastNext = (text) => sessionStorage.setItem(KEPT, text);

/** Shows it, once. */
export function keptToast() {
  const text = sessionStorage.getItem(KEPT);
  sessionStorage.removeItem(KEPT);
  if (text) toast(text);
}

/** Runs what a click asks for; a Problem becomes a message. Gives what it gives, or undefined. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    toast(error.message, "problem");
    if (!(error instanceof Problem)) throw error;
    return undefined;
  }
}

export const empty = (title, text, ...more) =>
  h("div.empty", {}, h("p.empty-title", {}, title), h("p", {}, text), ...more);

export const loading = (label = "Loading") =>
  h("div.loading", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), label);

export const failed = (error, again) =>
  h(
    "div.empty.problem",
    { role: "alert" },
    h("p.empty-title", {}, (error.status < 400 && error.title) || "This did not work"), // a status has no words for people
    h("p", {}, error.message),
    again && h("button", { type: "button", onclick: again }, "Try again"),
  );

/** Shows `loading`, then what `work` gives, or why not. */
export async function load(parent, work) {
  show(parent, loading());
  parent.setAttribute("aria-busy", "true");
  try {
    show(parent, await work());
  } catch (error) {
    if (error.name !== "AbortError") show(parent, failed(error, () => load(parent, work)));
    if (!(error instanceof Problem) && error.name !== "AbortError") throw error;
  } finally {
    parent.removeAttribute("aria-busy");
  }
}

/**
 * Asks in a dialog; resolves with the form's values, or null when it was cancelled.
 * fields: elements within the form. danger: the button is red. work: is given the values before the dialog closes; a
 * Problem is shown in it then, and it stays open.
 */
export function question(title, { text, fields = [], action = "OK", danger = false, work = null }) {
  return new Promise((resolve) => {
    const id = `title-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    const values = () => Object.fromEntries(new FormData(form));
    const problem = h("p.form-problem", { role: "alert" });
    const submit = h(danger ? "button.danger" : "button.primary", { type: "submit", value: "yes" }, action);
    const form = h(
      "form",
      { method: "dialog", onsubmit: (event) => work && (event.preventDefault(), tryIt()) },
      h("h2", { id }, title),
      text && h("p", {}, text),
      ...fields,
      problem,
      h("div.actions", {}, h("button", { type: "button", onclick: () => dialog.close("cancel") }, "Cancel"), submit),
    );
    async function tryIt() {
      submit.disabled = true;
      try {
        await work(values());
        dialog.close("yes");
      } catch (error) {
        problem.textContent = error.message;
        if (!(error instanceof Problem)) throw error;
        $("input", form)?.focus();
      } finally {
        submit.disabled = false;
      }
    }
    const dialog = h("dialog", { "aria-labelledby": id }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? values() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A labelled field. control: an input, select or textarea. */
export function field(label, control, hint) {
  return h("label.field", {}, h("span", {}, label), control, hint && h("small", {}, hint));
}

/** A place to drop files or to choose them. take: gets an array of File. */
export function dropZone(label, take, { multiple = true, accept = "image/*" } = {}) {
  const input = h("input", {
    type: "file",
    multiple,
    accept,
    class: "sr-only",
    onchange: () => {
      take([...input.files]);
      input.value = "";
    },
  });
  const zone = h("label.drop", {}, input, h("span", {}, label));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) take(multiple ? files : files.slice(0, 1));
  });
  return zone;
}

/**
 * A list that fetches its next page when its end comes into sight, or the button is pressed.
 * fetchPage(after): resolves with { items, next }; draw(item): an element; none: shown when there is nothing.
 */
export function pagedList(list, { fetchPage, draw, none }) {
  let next = null;
  const more = h("button.more", { type: "button", onclick: () => attempt(add) }, "Show more");
  const watcher = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && !more.disabled && attempt(add), {
    rootMargin: "600px",
  });
  async function add() {
    more.disabled = true;
    try {
      const page = await fetchPage(next);
      next = page.next;
      list.append(...page.items.map(draw));
      if (next === null) more.remove();
      else list.after(more);
      if (!list.childElementCount) show(list, none);
    } finally {
      more.disabled = false;
    }
    watcher.unobserve(more); // told anew, where it is still in sight
    watcher.observe(more);
  }
  async function restart() {
    next = null;
    more.remove();
    await load(list, async () => {
      const page = await fetchPage(null);
      next = page.next;
      if (next !== null) list.after(more);
      return page.items.length ? page.items.map(draw) : [none];
    });
  }
  watcher.observe(more);
  return { restart, add };
}
