// Before the first paint, so that nothing flashes. Stored only when somebody chose.
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
