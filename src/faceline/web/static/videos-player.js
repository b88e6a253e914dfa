// A clip that can be jumped in: the video where the browser plays it, else the frames that were looked at.

import { Problem, path, query, send } from "./api.js";
import { h, show } from "./dom.js";
import { box } from "./faces.js";
import { clock } from "./format.js";
import { attempt } from "./ui.js";

const NEAR_S = 0.3;

/**
 * detail: as GET /api/v1/clips/{clip_id} gives it. moved: called with the seconds that are shown.
 * Gives { element, jump(appearance), seek(seconds) }.
 */
export function player(detail, moved) {
  const over = h("div.over", {});
  const frame = h("div.photo.player", {}, over);
  if (detail.width && detail.height) frame.style.aspectRatio = `${detail.width} / ${detail.height}`;
  const element = h("div.stack", {}, frame);
  let marked = null;
  let boxed = null; // whose box is there: it is not drawn anew with every frame
  const shown = (seconds) => {
    moved(seconds);
    const there = marked && marked.box && Math.abs(seconds - marked.best_s) < NEAR_S;
    const now = there ? marked : null;
    if (now === boxed) return;
    boxed = now;
    show(over, now && box(now));
  };
  let screen = detail.playable ? video(detail, frame, shown, frames) : null;
  if (!screen) frames();

  function frames() {
    screen = pictures(detail, frame, element, shown);
    screen.seek(marked ? marked.best_s : detail.appearances[0]?.best_s ?? 0);
  }
  return {
    element,
    jump(appearance) {
      marked = appearance;
      screen.seek(appearance.best_s);
    },
    seek(seconds) {
      marked = null;
      screen.seek(seconds);
    },
  };
}

/** failed: called when the browser cannot play it. */
function video(detail, frame, shown, failed) {
  const source = path`/api/v1/clips/${detail.clip.clip_id}/video`;
  const element = h("video", { controls: true, playsinline: true, preload: "metadata", src: source, "aria-label": detail.clip.key });
  const tell = () => shown(element.currentTime);
  for (const event of ["timeupdate", "seeking", "seeked"]) element.addEventListener(event, tell);
  element.addEventListener("error", () => {
    element.remove();
    failed();
  });
  frame.prepend(element);
  return {
    seek(seconds) {
      element.pause();
      element.currentTime = seconds + 0.001; // a time that was rounded down shows the frame before
    },
  };
}

function pictures(detail, frame, element, shown) {
  const image = h("img", { alt: "" });
  const slider = h("input", { type: "range", min: "0", max: String(detail.end_s), step: "0.1", "aria-label": "Time in the clip" });
  const told = h("output", {});
  let asked = 0;
  let address = "";
  const seek = (seconds) => attempt(() => load(seconds));
  slider.addEventListener("input", () => seek(slider.valueAsNumber));
  frame.prepend(image);
  const why = detail.playable ? "This browser does not play this kind of video; " : "The video itself is not kept; ";
  element.append(
    h("div.row", { hidden: detail.end_s === 0 }, slider, told),
    h("p.muted", {}, `${why}these are the frames that were looked at.`),
  );

  async function load(seconds) {
    const turn = ++asked;
    const place = path`/api/v1/clips/${detail.clip.clip_id}/frame`;
    const answer = await send("GET", place + query({ at_s: seconds, width: 1280 })).catch(gone);
    if (!answer || turn !== asked) return; // a later one was asked for
    const picture = await answer.blob();
    URL.revokeObjectURL(address);
    address = image.src = URL.createObjectURL(picture);
    const at = Number(answer.headers.get("X-Frame-Time"));
    slider.value = seconds;
    slider.setAttribute("aria-valuetext", clock(at));
    show(told, clock(at));
    image.alt = `The frame at ${clock(at)}`;
    shown(at);
  }
  function gone(error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    frame.classList.add("missing");
    return null;
  }
  return { seek };
}
