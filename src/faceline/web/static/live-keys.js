// From card to card: j and k anywhere, the arrow keys within the list.

export function moveByKeys(list) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) return;
    const cards = [...list.querySelectorAll(".entry-open")];
    const at = cards.indexOf(document.activeElement);
    const step = stepOf(event.key, at >= 0, list);
    if (!step || !cards.length) return;
    const next = at < 0 ? firstInSight(cards) : cards[Math.min(Math.max(at + step, 0), cards.length - 1)];
    event.preventDefault();
    next.focus();
    next.closest(".entry").scrollIntoView({ block: "nearest" });
  });
}

function stepOf(key, within, list) {
  if (key === "j" || (within && key === "ArrowRight")) return 1;
  if (key === "k" || (within && key === "ArrowLeft")) return -1;
  if (within && key === "ArrowDown") return columns(list);
  if (within && key === "ArrowUp") return -columns(list);
  return 0;
}

const columns = (list) => getComputedStyle(list.querySelector(".grid")).gridTemplateColumns.split(" ").length;

const firstInSight = (cards) => cards.find((card) => card.closest(".entry").getBoundingClientRect().bottom > 120) ?? cards[0];
