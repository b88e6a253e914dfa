// What appearances of a clip are called, and what their similarity means.

import { called } from "./faces.js";
import { similarity } from "./format.js";

/** A name for each: strangers are somebody of their own, with a number where there are several. Map of appearance → text. */
export function labels(appearances) {
  const nameless = appearances.filter((each) => !each.person).sort((a, b) => a.first_s - b.first_s);
  const counts = {};
  const alone = (each) => nameless.filter((other) => called(other) === called(each)).length === 1;
  const numbered = (each) => `${called(each)} ${(counts[called(each)] = (counts[called(each)] ?? 0) + 1)}`;
  const named = appearances.filter((each) => each.person).map((each) => [each, each.person]);
  return new Map([...named, ...nameless.map((each) => [each, alone(each) ? called(each) : numbered(each)])]);
}

/** "similarity 97.1", "most like Ada, 80.8; not enough", or empty. */
export function meaning({ status, person, similarity: value, candidates }) {
  if (person) return value === null ? "" : `similarity ${similarity(value)}`;
  const [best, next] = candidates;
  if (!best) return "";
  if (status === "ambiguous" && next) {
    return `like ${best.name}, ${similarity(best.similarity)}, and ${next.name}, ${similarity(next.similarity)}; too close to tell`;
  }
  return `most like ${best.name}, ${similarity(best.similarity)}; not enough`;
}
