// Keys of a panel: only while it is shown, and never while somebody types, chooses or is asked something.

const TYPING = "input, textarea, select, [contenteditable], [role=tab]";

/** actions: what a key does, by its name; letters in lower case. */
export function listenForKeys(panel, actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || panel.hidden) return;
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
    const act = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
