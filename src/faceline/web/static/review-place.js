// What is chosen on the page stands in its address, so that it can be kept, sent and reloaded.

import { query } from "./api.js";

export const chosen = () => Object.fromEntries(new URLSearchParams(location.search));

/** Changes the address. kept: in the browser's history, so that "back" leads here again. */
export function choose(changes, { kept = false } = {}) {
  const url = location.pathname + query({ ...chosen(), ...changes });
  if (kept) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}
