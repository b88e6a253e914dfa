// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en");
export const count = (number, one, many = `${one}s`) => `${whole.format(number)} ${number === 1 ? one : many}`;
export const number = (value) => whole.format(value);
/** "97.2"; with two places where one would say that two faces are the same: 99.98. */
export const similarity = (value) =>
  value === null || value === undefined ? "–" : value.toFixed(value >= 99.95 && value < 100 ? 2 : 1);

/** "12:30:05" today, else "21 Nov 12:30", with the year where it is another one. The machine's time zone. */
export function time(iso) {
  const at = new Date(iso);
  const now = new Date();
  const year = at.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return at.toDateString() === now.toDateString()
    ? at.toLocaleTimeString("en-GB")
    : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year })} ${at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** "21 Nov 2026, 12:30:05", which reads the same in every country. The machine's time zone. */
export function moment(iso) {
  const at = new Date(iso);
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${at.toLocaleTimeString("en-GB")}`;
}

/** Seconds since a clip's start: "1:02.5". */
export function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths - 600 * minutes) / 10).toFixed(1).padStart(4, "0")}`;
}

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1);
  return `${(value / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

export const milliseconds = (value) =>
  value === null || value === undefined ? "–" : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
