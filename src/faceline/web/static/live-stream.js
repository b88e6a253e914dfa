// The connection that tells of new entries. It says only that there are some: the list asks for those that match.

import { show } from "./dom.js";

const AGAIN_MS = 3000;
const STATES = { live: "Live", connecting: "Connecting…", broken: "Reconnecting…", paused: "Paused" };

/** news: called when there may be new entries. told: gets each entry, whether it matches the filters or not. */
export function stream(place, { news, told }) {
  let source = null;
  let paused = false;
  let waiting = 0;

  function open() {
    clearTimeout(waiting);
    source = new EventSource("/api/v1/activity/events");
    source.addEventListener("open", () => {
      say("live");
      news(); // also what came while there was no connection
    });
    source.addEventListener("message", (event) => {
      told(JSON.parse(event.data));
      news();
    });
    source.addEventListener("missed", news);
    source.addEventListener("error", broken);
  }

  function broken() {
    say("broken");
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    waiting = setTimeout(() => {
      news(); // leads to the login page when that is why
      open();
    }, AGAIN_MS);
  }

  function close() {
    clearTimeout(waiting);
    source?.close();
    source = null;
  }

  function say(state) {
    place.dataset.state = state;
    show(place, STATES[state]);
  }

  // A browser has few connections for all its tabs: those that nobody looks at give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!paused && !source) open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", () => !paused && !source && !document.hidden && open());
  say("connecting");
  if (!document.hidden) open();

  return {
    toggle() {
      paused = !paused;
      if (paused) {
        close();
        say("paused");
      } else {
        say("connecting");
        open();
      }
      return paused;
    },
  };
}
