// Requests to the API. Every failure becomes a Problem with a sentence for people.

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

export const collection = meta("collection");
export const matchingCollection = meta("matching-collection");
export const scope = meta("scope"); // read, enroll or admin
export const mayEnroll = scope !== "read";
export const mayAll = scope === "admin";

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }
}

/** A path with its parts escaped: path`/api/v1/collections/${name}/people`. */
export function path(parts, ...values) {
  // Browsers take these for steps in the path, however they are escaped, and would ask for something else.
  const step = values.find((value) => value === "." || value === "..");
  if (step) throw new Problem(404, "Not Found", `Nothing can be asked for by the name ${step}`);
  return parts.reduce((text, part, i) => text + encodeURIComponent(values[i - 1]) + part);
}

/** A query string of what is neither null, undefined nor empty. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return text && `?${text}`;
}

/** The answer's JSON, or null. body: an object becomes JSON; a File, Blob or FormData goes as it is. */
export async function ask(method, url, body, { signal } = {}) {
  const response = await send(method, url, body, signal);
  return response.status === 204 ? null : response.json();
}

export async function send(method, url, body, signal) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Faceline-CSRF"] = meta("csrf");
  const plain = body === undefined || body instanceof Blob || body instanceof FormData;
  if (!plain) headers["Content-Type"] = "application/json";
  else if (body instanceof Blob) headers["Content-Type"] = "application/octet-stream";
  let response;
  try {
    response = await fetch(url, { method, headers, body: plain ? body : JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No answer", "faceline does not answer; is it still running?");
  }
  if (response.status === 401) {
    location.assign(`/login${query({ next: location.pathname + location.search })}`);
    return new Promise(() => {}); // the page is being left
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** PUTs a file; told(part) is called with how much of it is sent, 0 to 1. Resolves with the answer's JSON. */
export function upload(url, file, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far a body has got
    request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 1));
    request.addEventListener("error", () => reject(new Problem(0, "No answer", "The upload broke off; try it again.")));
    request.addEventListener("load", async () => {
      const response = new Response(request.response, { status: request.status });
      if (response.ok) resolve(await response.json());
      else reject(await problemOf(response));
    });
    request.open("PUT", url);
    request.setRequestHeader("X-Faceline-CSRF", meta("csrf"));
    request.send(file);
  });
}

async function problemOf(response) {
  try {
    const { title, detail } = await response.json();
    return new Problem(response.status, title, detail);
  } catch {
    return new Problem(response.status, response.statusText, `The answer was ${response.status}.`);
  }
}

export const get = (url, options) => ask("GET", url, undefined, options);
