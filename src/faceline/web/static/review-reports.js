// The tab Match reports: the image of a customer beside the images that it is like, with verdicts.

import { ask, get, matchingCollection, mayEnroll, path, query } from "./api.js";
import { h, show } from "./dom.js";
import { photo } from "./faces.js";
import { count, similarity } from "./format.js";
import { personAt, pictureOf, verdictBadge, WORDS } from "./review-faces.js";
import { choose, chosen } from "./review-place.js";
import { attempt, empty, field, load, pagedList, toast } from "./ui.js";

const USUAL = "80";
const EMPTY_PAGES = 10; // that are asked for in one go, where few reports of many are wanted
const TYPED_MS = 350;

export async function reports(panel) {
  const page = new Reports();
  show(panel, page.filters(), h("div.review.reports", {}, page.detail, h("aside", { "aria-label": "Reports" }, page.list)));
  await page.restart(chosen().report);
}

class Reports {
  constructor() {
    this.detail = h("div.report-detail");
    this.list = h("ol.queue", { "aria-label": "Reports" });
    this.paged = pagedList(this.list, { fetchPage: (after) => this.fetch(after), draw: (item) => this.entry(item), none: h("li", {}, none()) });
  }

  filters() {
    const { min_similarity: least = USUAL, customer = "" } = chosen();
    this.least = h("input", { type: "number", min: 0, max: 100, step: "any", value: least });
    this.customer = h("input", { type: "search", value: customer, autocomplete: "off" });
    let timer;
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.filter(), TYPED_MS);
    };
    const load = h("button", { type: "button", onclick: () => attempt(() => this.load()) }, "Queue all pairs for review");
    return h(
      "div.spread.review-head",
      {},
      h("div.toolbar", { oninput: changed, role: "search", "aria-label": "Filter" }, field("Similarity of at least", this.least), field("Customer", this.customer)),
      mayEnroll && load,
    );
  }

  filter() {
    choose({ min_similarity: this.least.value || "0", customer: this.customer.value.trim(), report: "" });
    return this.restart();
  }

  /** Opens the one that is asked for, or the first. */
  async restart(report) {
    await this.paged.restart();
    const first = report ?? this.list.querySelector("[data-report]")?.dataset.report;
    if (first) await this.open(first);
    else show(this.detail);
  }

  /** A page that has something, where there is one: the API may give empty ones on the way. */
  async fetch(after) {
    const wanted = { min_similarity: this.least.value, customer: this.customer.value.trim() };
    let page = { items: [], next: after };
    for (let asked = 0; asked < EMPTY_PAGES && !page.items.length && (page.next !== null || !asked); asked++) {
      page = await get(`/api/v1/match-reports${query({ ...wanted, after: page.next, limit: 50 })}`);
    }
    return page;
  }

  entry(item) {
    const value = item.similarity === null ? h("small", {}, "no match") : h("b", {}, similarity(item.similarity));
    const image = item.source.key.split("/").at(-1);
    const text = h("span", {}, item.customer, h("small", { title: image }, image), item.best_customer && h("small", {}, `like ${item.best_customer}`));
    const open = () => attempt(() => this.open(item.report));
    return h("li", {}, h("button.quiet", { type: "button", dataset: { report: item.report }, onclick: open }, text, value));
  }

  async open(report) {
    choose({ report });
    for (const each of this.list.querySelectorAll("[data-report]")) {
      if (each.dataset.report === report) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
    const named = report.split("/").map(encodeURIComponent).join("/");
    await load(this.detail, async () => shown(await get(`/api/v1/match-reports/${named}`)));
  }

  async load() {
    const { new: found, read, collection } = await ask("POST", "/api/v1/match-reports/load");
    toast(!read ? "There are no matching reports yet." : `${count(found, "new pair")} to review in ${collection}, from ${count(read, "report")}`);
    await this.restart(chosen().report);
  }
}

function shown(report) {
  const image = report.source.key.split("/").at(-1);
  const own = report.box ? [{ status: "detected", box: report.box, person: null }] : [];
  const picture = photo(pictureOf(report.source, 640), own, { alt: `The image ${image}` });
  return h(
    "div.report-pages",
    {},
    h("section.card.stack", { "aria-label": "The image" }, h("h2", {}, h("a", { href: personAt(report.collection, report.user_id) }, report.customer)), picture, h("p.muted", {}, `${report.source.bucket}/${report.source.key}`)),
    h("section.stack", { "aria-label": "Its matches" }, h("h2", {}, report.matches.length ? `Is like ${count(report.matches.length, "image")}` : "Is like no other image"), report.matches.map((match) => matchCard(report, match))),
  );
}

function matchCard(report, match) {
  const badge = h("span.verdict-place", {}, verdictBadge(match.verdict));
  const face = { status: "matched", person: match.customer, similarity: match.similarity, box: match.box };
  const picture = match.source
    ? photo(pictureOf(match.source, 480), match.box ? [face] : [], { alt: `The image ${match.source.key.split("/").at(-1)} of ${match.customer}` })
    : h("p.muted", {}, "This face is no longer enrolled.");
  const decide = (verdict) => attempt(() => settle(report, match, verdict, badge));
  const buttons = Object.entries(WORDS).map(([verdict, word]) =>
    h("button", { type: "button", "aria-label": `${word}: ${report.customer} and ${match.customer}`, onclick: () => decide(verdict) }, word),
  );
  return h(
    "article.card.match",
    {},
    picture,
    h(
      "div.stack",
      {},
      h("div.spread", {}, h("h3", {}, h("a", { href: personAt(report.collection, match.user_id) }, match.customer)), badge),
      h("p", {}, h("b.figure", {}, similarity(match.similarity)), " similarity; ", match.meaning, " look this alike."),
      mayEnroll && match.source && h("div.row.wrap", {}, buttons),
    ),
  );
}

async function settle(report, match, verdict, badge) {
  const url = path`/api/v1/collections/${report.collection}/review/verdicts`;
  await ask("POST", url, { a: report.customer, b: match.customer, verdict });
  show(badge, verdictBadge(verdict));
  toast(`${report.customer} and ${match.customer}: ${WORDS[verdict].toLowerCase()}. The tab Pairs can merge them, or change this.`);
}

const none = () =>
  empty(
    "No report like that",
    `Each image to match gets a report of whom it is like. Their faces are in the collection ${matchingCollection}.`,
    h("pre", {}, "faceline put photos/ --bucket faceline-images"),
  );
