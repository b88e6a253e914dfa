// The pairs that were fetched so far, which of them is shown, and what was decided of them here.

import { ask, get, path, query } from "./api.js";

const PAGE = 50;

export class Queue {
  constructor(collection, state) {
    Object.assign(this, { collection, state, items: [], at: 0, next: null, counts: null, given: [] });
    this.base = path`/api/v1/collections/${collection}`;
  }

  get current() {
    return this.items[this.at] ?? null;
  }

  /** From the beginning; the pair that was shown stays shown where it is there still. */
  async restart() {
    const shown = this.current;
    this.items = [];
    this.next = null;
    this.at = 0;
    await Promise.all([this.more(), this.count()]);
    this.at = Math.max(0, shown ? this.items.findIndex((each) => same(each, shown)) : 0);
  }

  async more() {
    const page = await get(`${this.base}/review/pairs${query({ state: this.state, after: this.next, limit: PAGE })}`);
    this.items.push(...page.items.filter((item) => !this.items.some((each) => same(each, item))));
    this.next = page.next;
  }

  async count() {
    this.counts = await get(`${this.base}/review/counts`);
  }

  /** How many of the latest decided pairs are one person under two names still; more: whether there are older ones. */
  async twoNames() {
    const { items, next } = await get(`${this.base}/review/pairs${query({ state: "decided", limit: 200 })}`);
    return { names: items.filter(isTwoNames).length, more: next !== null };
  }

  /** The pairs of a scan; a file goes as it is. */
  async load(scan) {
    const loaded = await ask("POST", `${this.base}/review/load`, scan);
    await this.restart();
    return loaded;
  }

  async move(step) {
    if (this.at + step >= this.items.length && this.next !== null) await this.more();
    this.at = Math.min(Math.max(this.at + step, 0), this.items.length - 1);
  }

  /** To the next pair that nobody settled; from the end to the first such one; else it stays. */
  async advance() {
    if (this.state === "decided") return this.move(1);
    const from = this.at;
    for (let last = -1; last !== this.at; ) {
      last = this.at;
      await this.move(1);
      if (!settled(this.current)) return undefined;
    }
    const open = this.items.findIndex((each) => !settled(each));
    this.at = open >= 0 ? open : from;
    return undefined;
  }

  async detail(pair, limit) {
    return get(`${this.base}/review/pair${query({ a: pair.a, b: pair.b, limit })}`);
  }

  /** Keeps a verdict on the shown pair; gives what can be undone. */
  async decide(verdict, note) {
    const before = this.current;
    const { pair, changes } = await ask("POST", `${this.base}/review/verdicts`, { a: before.a, b: before.b, verdict, note });
    this.items[this.at] = { ...before, ...pair };
    const done = { pair: before, verdict, entries: changes.map(({ entry }) => entry), merged: false };
    this.given.push(done);
    await this.count();
    return done;
  }

  /** Makes the two names of a decision one; `into` is the index of the one that stays. */
  async merge(done, into) {
    const ids = done.pair.user_ids;
    const url = `${this.base}${path`/people/${ids[1 - into]}/merge`}`;
    const { change } = await ask("POST", url, { into: ids[into] });
    done.entries.push(change.entry);
    done.merged = true;
    if (!this.given.includes(done)) this.given.push(done); // decided on another visit
    await this.restart();
  }

  /** Takes back the last decision that was made here, with its merge. */
  async undo() {
    const done = this.given.at(-1);
    if (!done) return null;
    while (done.entries.length) {
      await ask("POST", `${this.base}/undo`, { entry: done.entries.at(-1) });
      done.entries.pop();
    }
    this.given.pop();
    if (done.merged) await this.restart();
    const at = this.items.findIndex((each) => same(each, done.pair));
    if (at >= 0) {
      this.items[at] = done.pair;
      this.at = at;
    }
    await this.count();
    return done;
  }
}

/** Settled as one person, who has both names still: merging takes a pair out of the list. */
export const isTwoNames = ({ kind, verdict }) => kind === "people" && verdict === "same";
export const same = (one, other) => one.kind === other.kind && one.a === other.a && one.b === other.b;
const settled = ({ verdict }) => verdict === "same" || verdict === "different";
