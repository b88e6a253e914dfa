// The page Health: asks again every few seconds while somebody looks, and draws what has changed.

import { get } from "./api.js";
import { $, h, show } from "./dom.js";
import { time } from "./format.js";
import { actions, letters } from "./health-dead.js";
import * as parts from "./health-parts.js";
import { failed, loading } from "./ui.js";

const EVERY_MS = 4000;
const WORDS = { good: "All is well.", warn: "It works, but somebody should look.", bad: "Not ready for work." };

const drawn = new Map(); // what each part of the page was drawn from
let shownLetters = 10;
let paused = false;
let asking = null;
let timer = 0;

const state = $("#state");
show(state, loading());

/** Draws a part again where its data is other than before; who was in it with the keyboard stays where they were. */
function draw(id, data, make) {
  const text = JSON.stringify(data);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  const place = $(`#${id}`);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const open = [...place.querySelectorAll("details")].map((each) => each.open);
  show(place, make(data));
  place.querySelectorAll("details").forEach((each, i) => (each.open = open[i] ?? false));
  if (focused) (place.querySelector(`[data-focus="${CSS.escape(focused)}"]`) ?? $("#dead-title")).focus();
}

function drawState({ state: kind, problems }) {
  state.className = `card state ${kind}`;
  return [h("p", {}, WORDS[kind]), problems.length ? h("ul", {}, problems.map((each) => h("li", {}, each))) : null];
}

function more() {
  shownLetters = Math.min(shownLetters + 50, 500);
  return refresh();
}

function drawAll(health, dead) {
  $("#failure").hidden = true;
  $("#health").hidden = false;
  draw("state", { state: health.state, problems: health.problems }, drawState);
  draw("figures", parts.figuresOf(health), parts.figures);
  draw("dead", dead, (data) => letters(data, { more, refresh }));
  draw("dead-actions", dead.items.length > 0, (some) => actions(some, refresh));
  draw("throughput", health.recent, parts.throughput);
  draw("queues", health.queues, parts.queues);
  draw("latency", [health.latencies, health.throughput], parts.latency);
  draw("errors", health.errors, parts.errors);
  draw("model", parts.machineOf(health), parts.machine);
  draw("collections", health.collections, parts.collections);
  draw("settings", health.settings, parts.settings);
  $("#refreshed").textContent = `${time(new Date().toISOString())} · up for ${parts.duration(health.uptime_s)}`;
}

async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const [health, dead] = await Promise.all([
      get("/api/v1/health", { signal }),
      get(`/api/v1/dead-letters?limit=${shownLetters}`, { signal }),
    ]);
    drawAll(health, dead);
  } catch (error) {
    if (error.name === "AbortError") return;
    drawn.delete("state");
    state.className = "card state bad";
    const old = !$("#health").hidden && h("small", {}, "The figures below are as they were before.");
    show(state, h("p", {}, "faceline cannot be asked."), old);
    show($("#failure"), failed(error, refresh));
    $("#failure").hidden = false;
  }
  later();
}

function later() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY_MS);
}

$("#pause").addEventListener("click", ({ currentTarget }) => {
  paused = !paused;
  currentTarget.setAttribute("aria-pressed", String(paused));
  if (paused) clearTimeout(timer);
  else refresh();
});
document.addEventListener("visibilitychange", () => (document.hidden || paused ? clearTimeout(timer) : refresh()));
refresh();
