// Files dropped anywhere on the page: each goes up under a name that replaces nothing, and says what became of it.

import { get, path, query, upload } from "./api.js";
import { h, show } from "./dom.js";
import { called } from "./faces.js";

const STAYS_MS = 6000;

/** list: where the uploads are shown. input: chooses files. seen(entry): to be called with each entry that comes. */
export function uploads(list, input) {
  const sent = new Map(); // bucket/key → row
  let last = Promise.resolve();

  const take = (files) => {
    for (const file of files) {
      const row = new Row(file, list);
      last = last.then(() => put(file, row)); // one by one, so that no two get the same name
    }
  };

  async function put(file, row) {
    try {
      const { bucket, key } = await get(`/api/v1/upload-place${query({ name: file.name })}`);
      sent.set(`${bucket}/${key}`, row);
      await upload(path`/buckets/${bucket}/${key}`, file, row.progress);
      row.say("Uploaded, being looked at…");
    } catch (error) {
      row.end(error.message, "problem");
    }
  }

  function seen(entry) {
    const row = sent.get(`${entry.bucket}/${entry.key}`);
    if (!row) return;
    sent.delete(`${entry.bucket}/${entry.key}`);
    if (entry.error) row.end(entry.error, "problem");
    else row.end(entry.faces.map(called).join(", ") || "No face", "done");
  }

  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  catchDrops(take);
  return { seen };
}

class Row {
  constructor(file, list) {
    this.bar = h("progress", { max: "1", value: "0", "aria-label": `Upload of ${file.name}` });
    this.text = h("span.upload-state", { role: "status" }, "Waiting…");
    const close = () => this.element.remove();
    this.element = h("li", {}, h("b", {}, file.name), this.bar, this.text, h("button.quiet.icon", { type: "button", "aria-label": `Hide the upload of ${file.name}`, onclick: close }, "×"));
    list.append(this.element);
    this.progress = (part) => {
      this.bar.value = part;
      this.say(`${Math.round(100 * part)} %`);
    };
  }

  say(text) {
    if (!this.ended) show(this.text, text);
  }

  /** kind: done or problem. What went well goes away by itself. */
  end(text, kind) {
    this.say(text);
    this.ended = true;
    this.bar.hidden = true;
    this.element.classList.add(kind);
    if (kind === "done") setTimeout(() => this.element.remove(), STAYS_MS);
  }
}

function catchDrops(take) {
  const veil = h("div.veil", { hidden: true, "aria-hidden": "true" }, h("p", {}, "Drop photos to see who is in them"));
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.body.append(veil);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    take([...event.dataTransfer.files]);
  });
}
