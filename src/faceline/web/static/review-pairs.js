// The tab Pairs: one pair at a time with verdicts by button and key, the queue beside it.

import { collection as usual, get, matchingCollection, mayEnroll } from "./api.js";
import { h, show } from "./dom.js";
import { count, number, similarity } from "./format.js";
import { verdictBadge, WORDS } from "./review-faces.js";
import { listenForKeys } from "./review-keys.js";
import { nothing } from "./review-nothing.js";
import { moreView, pairView, QUESTIONS, titleOf } from "./review-pair.js";
import { choose, chosen } from "./review-place.js";
import { isTwoNames, Queue, same } from "./review-queue.js";
import { attempt, empty, field, load, toast } from "./ui.js";

const VERDICTS = [["same", "Same person", "S"], ["different", "Different people", "D"], ["unsure", "Unsure", "U"]];
const STATES = { open: "To look at", decided: "Decided" };

export async function pairs(panel) {
  const page = new Pairs(panel);
  await load(panel, async () => page.build((await get("/api/v1/collections")).items.map(({ name }) => name)));
  if (page.queue) page.listen();
}

class Pairs {
  constructor(panel) {
    this.panel = panel;
    this.busy = false;
  }

  async build(names) {
    if (!names.length) return empty("Nobody is enrolled yet", "Pairs come once people are enrolled: start with the page People.");
    this.names = names;
    const { collection, state } = chosen();
    this.queue = new Queue(
      names.includes(collection) ? collection : names.includes(usual) ? usual : names[0],
      state in STATES ? state : "open",
    );
    this.parts();
    await this.restart();
    return [this.head, this.body];
  }

  parts() {
    this.progress = h("div.progress");
    this.told = h("p.sr-only", { role: "status" });
    this.view = h("div.pair");
    this.further = h("div");
    this.offer = h("div.merge-offer");
    this.last = h("div.last-verdict", { role: "status" });
    this.list = h("ol.queue", { tabindex: "0", "aria-label": "Pairs" });
    this.note = h("textarea", { rows: 2, maxlength: 2000, placeholder: "Why, in your words" });
    this.buttons = h("div.verdicts", {}, mayEnroll ? VERDICTS.map((each) => this.verdictButton(...each)) : null);
    this.undoButton = key("Undo", "Z", () => this.undo(), "button.quiet");
    const steps = h("div.row", {}, key("Previous", "←", () => this.step(-1)), key("Next", "→", () => this.step(1)));
    const work = mayEnroll ? [this.buttons, field("Note", this.note)] : [h("p.muted", {}, "Your key may look, and not decide.")];
    this.main = h("div.stack.card", {}, this.view, this.offer, ...work, steps, this.further);
    this.none = h("div.none", { tabindex: "-1" });
    this.aside = h("aside", { "aria-label": "The queue" }, this.list, this.moreButton());
    this.body = h("div.review", {}, this.last, this.none, this.main, this.aside, this.told);
    this.head = h("div.spread.review-head", {}, h("div.toolbar", {}, this.collectionField(), this.stateField()), h("div.row", {}, mayEnroll && this.undoButton, this.progress));
  }

  collectionField() {
    if (this.names.length < 2) return null;
    const changed = ({ target }) => this.start(target.value, this.queue.state);
    const option = (name) => h("option", { value: name, selected: name === this.queue.collection }, name === matchingCollection ? `${name} (match reports)` : name);
    return field("Collection", h("select", { onchange: changed }, this.names.map(option)));
  }

  stateField() {
    const changed = ({ target }) => this.start(this.queue.collection, target.value);
    const option = ([state, word]) => h("option", { value: state, selected: state === this.queue.state }, word);
    this.states = h("select", { onchange: changed }, Object.entries(STATES).map(option));
    return field("Pairs", this.states);
  }

  async chooseState(state) {
    this.states.value = state;
    await this.start(this.queue.collection, state);
    this.heading().focus();
  }

  moreButton() {
    this.more = h("button.more", { type: "button", onclick: () => attempt(async () => (await this.queue.more(), this.drawList())) }, "Show more");
    return this.more;
  }

  verdictButton(verdict, word, letter) {
    return key(word, letter, () => this.decide(verdict), `button.verdict.${verdict}`, { "aria-pressed": "false", dataset: { verdict } });
  }

  start(collection, state) {
    choose({ collection, state });
    this.queue = new Queue(collection, state);
    return attempt(() => this.restart());
  }

  async restart() {
    await this.queue.restart();
    this.toldOf = null;
    show(this.last);
    this.draw();
  }

  listen() {
    const letters = Object.fromEntries(VERDICTS.map(([verdict, , letter]) => [letter.toLowerCase(), () => this.decide(verdict)]));
    const decide = mayEnroll ? { ...letters, z: () => this.undo() } : {};
    listenForKeys(this.panel, { ...decide, ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1) });
  }

  /** One thing at a time: a key held down decides one pair. */
  async once(work) {
    if (this.busy) return;
    this.busy = true;
    await attempt(work);
    this.busy = false;
  }

  loadScan(file) {
    return this.once(async () => {
      const { new: found } = await this.queue.load(file);
      toast(`${count(found, "new pair")} to review`);
      this.draw();
    });
  }

  step(by) {
    return this.once(async () => {
      if (!this.queue.current) return;
      await this.queue.move(by);
      this.draw();
      if (document.activeElement === document.body) this.heading().focus();
    });
  }

  decide(verdict) {
    return this.once(async () => {
      if (!this.queue.current) return;
      const done = await this.queue.decide(verdict, this.note.value.trim());
      this.say(done);
      await this.queue.advance();
      this.draw();
      (this.last.querySelector("button") ?? this.heading()).focus();
    });
  }

  undo() {
    return this.once(async () => {
      const done = await this.queue.undo();
      if (!done) return toast("Nothing was decided on this page yet; `faceline review undo` takes back what was before");
      this.toldOf = null;
      show(this.last, h("p", {}, `Taken back: ${titleOf(done.pair)}.`));
      this.draw();
      this.heading().focus();
      return undefined;
    });
  }

  merge(done, into) {
    const { a, b } = done.pair;
    return this.once(async () => {
      await this.queue.merge(done, into);
      this.toldOf = null;
      show(this.last, h("p", {}, `${[b, a][into]} is ${[a, b][into]} now, with all faces.`));
      this.draw();
      this.undoButton.focus();
    });
  }

  /** What was just decided, and whether two names become one. */
  say(done) {
    this.toldOf = done.pair;
    const said = h("p", {}, verdictBadge(done.verdict), ` ${titleOf(done.pair)}`);
    show(this.last, said, isTwoNames({ ...done.pair, verdict: done.verdict }) && this.mergeButtons(done));
  }

  mergeButtons(done) {
    const button = (name, i) => h("button", { type: "button", onclick: () => this.merge(done, i) }, `Merge, keep “${name}”`);
    return h("div.row.wrap", {}, h("span.muted", {}, "They are still two names."), [done.pair.a, done.pair.b].map(button));
  }

  /** Of a pair that was settled before, whose merge was left. */
  drawOffer(pair) {
    const open = mayEnroll && isTwoNames(pair) && !(this.toldOf && same(this.toldOf, pair));
    show(this.offer, open && this.mergeButtons({ pair, verdict: "same", entries: [], merged: false }));
    this.offer.hidden = !open;
  }

  /** Where who decides by key goes on. */
  heading() {
    return this.queue.current ? this.view.querySelector("h2") : this.none;
  }

  draw() {
    const { queue } = this;
    const pair = queue.current;
    const { open, decided } = queue.counts;
    show(this.progress, h("progress", { max: Math.max(open + decided, 1), value: decided, "aria-label": "Decided" }), `${number(decided)} of ${number(open + decided)} decided`);
    this.main.hidden = this.aside.hidden = !pair;
    show(this.none, pair ? null : nothing(queue, { loadScan: (file) => this.loadScan(file), toDecided: () => this.chooseState("decided") }));
    this.undoButton.disabled = !queue.given.length;
    if (!pair) return;
    show(this.view, h("h2", { tabindex: "-1" }, QUESTIONS[pair.kind]), pairView(queue, pair));
    this.drawOffer(pair);
    show(this.further, moreView(queue, pair));
    for (const button of this.buttons.children) button.setAttribute("aria-pressed", String(button.dataset.verdict === pair.verdict));
    this.note.value = pair.note ?? "";
    this.told.textContent = `${titleOf(pair)}, similarity ${similarity(pair.similarity)}${pair.verdict ? `, ${WORDS[pair.verdict]}` : ""}`;
    this.drawList();
  }

  drawList() {
    const { queue } = this;
    const entry = (pair, i) => {
      const shown = () => this.once(() => ((queue.at = i), this.draw()));
      const value = verdictBadge(pair.verdict) ?? h("b", {}, similarity(pair.similarity));
      const button = h("button.quiet", { type: "button", "aria-current": i === queue.at ? "true" : null, onclick: shown }, h("span", {}, titleOf(pair)), value);
      return h("li", {}, button);
    };
    const focused = this.list.contains(document.activeElement) && document.activeElement !== this.list;
    show(this.list, queue.items.map(entry));
    this.more.hidden = queue.next === null;
    const current = this.list.children[queue.at]?.firstElementChild;
    if (focused) current?.focus();
    // Within the list only: the page stays where it is.
    if (current) this.list.scrollTop = current.offsetTop - this.list.clientHeight / 2;
  }
}

const key = (word, letter, onclick, tag = "button", attributes = {}) =>
  h(tag, { type: "button", "aria-keyshortcuts": letter.replace("←", "ArrowLeft").replace("→", "ArrowRight"), onclick, ...attributes }, word, h("kbd", { "aria-hidden": "true" }, letter));
