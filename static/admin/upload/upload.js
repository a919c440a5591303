// The upload page: choose or drop files, check them, send them in groups, then submit the form, which
// queues the import. Without this script the form sends everything in one request.
import { chosen, dropped, inFolders, refusal, size, sum, tooLarge } from "./files.js";
import { Failed, groups, send } from "./send.js";

const form = document.getElementById("upload");
const area = form.querySelector(".upload-area");
const input = form.elements.files;
const submit = form.querySelector("[type=submit]");
const part = (name) => form.querySelector(`.upload-${name}`);
const button = (name) => form.querySelector(`[data-do=${name}]`);
const number = (name) => Number(form.dataset[name]);
const most = { files: number("mostFiles"), bytes: number("mostBytes"), picture: number("mostPicture"), csv: number("mostCsv") };
const held = { files: number("heldFiles"), bytes: number("heldBytes") };

let files = [];
let waiting = [];
let next = number("next");
let stop = null;

function say(words, alert = "") {
  part("status").textContent = words;
  part("alert").textContent = alert;
}

function take(found) {
  const large = tooLarge(found, most);
  files = found.filter((item) => !large.includes(item));
  waiting = [];
  button("again").hidden = true;
  const left = large.length
    ? `${large.length} left out, larger than ${size(most.picture)}: ${large.slice(0, 5).map(({ name }) => name).join(", ")}${large.length > 5 ? ", …" : ""}.`
    : "";
  const why = refusal(files, most, held);
  if (why) files = [];
  say(files.length ? `${files.length} file${files.length > 1 ? "s" : ""}, ${size(sum(files))}.` : why ? "" : "Nothing to upload in there.", [why, left].filter(Boolean).join(" "));
  part("choices").hidden = !files.length;
}

function clear() {
  files = [];
  waiting = [];
  input.value = "";
  part("choices").hidden = true;
  say("");
  input.focus();
}

function busy(yes) {
  part("under-way").hidden = !yes;
  part("choices").hidden = yes || !files.length;
  submit.disabled = input.disabled = button("folder").disabled = yes;
  form.toggleAttribute("aria-busy", yes);
}

function far(bytes) {
  const all = sum(files);
  form.querySelector("progress").value = all ? bytes / all : 1;
  part("far").textContent = `${size(bytes)} of ${size(all)}`;
}

const fields = () => ({ upload: form.elements.upload.value, csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });

async function go() {
  if (!waiting.length) {
    waiting = groups(files, next);
    next += waiting.length;
  }
  stop = new AbortController();
  busy(true);
  say("Uploading.");
  button("cancel").focus();
  try {
    await send(waiting, form.dataset.part, fields(), stop.signal, far);
  } catch (error) {
    if (error.name === "AbortError") await forget();
    else if (!(error instanceof Failed)) throw error;
    else {
      button("again").hidden = false;
      say("", error.message);
    }
    busy(false);
    if (error instanceof Failed) button("again").focus();
    return;
  }
  // The server has the files, so the form is submitted without them.
  say("Uploaded; asking for the import.");
  leaving = true;
  input.disabled = true;
  form.submit();
}

let leaving = false;

async function forget() {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields())) body.append(name, value);
  held.files = held.bytes = 0;
  part("held")?.remove();
  waiting = [];
  try {
    const response = await fetch(form.dataset.drop, { method: "POST", body, headers: { Accept: "application/json" } });
    // Requests of the cancelled upload may still arrive, so the next files are a new upload.
    form.elements.upload.value = (await response.json()).upload;
    say("Cancelled; nothing of it was kept.");
  } catch {
    // The server removes what stays behind after some hours.
    say("", "Cancelled, but the server cannot be reached. Open the page again before you upload more.");
  }
}

form.addEventListener("submit", (event) => {
  if (!files.length) {
    if (!held.files) {
      event.preventDefault();
      say("", "Choose files first.");
      input.focus();
    }
    return;
  }
  event.preventDefault();
  if (!form.elements.label.value && !inFolders(files)) {
    say(part("status").textContent, "Choose what they show: they lie in no folders.");
    form.elements.label.focus();
    return;
  }
  if (!stop || form.getAttribute("aria-busy") === null) go();
});

input.addEventListener("change", () => input.files.length && take(chosen(input)));
button("cancel").addEventListener("click", () => stop.abort());
button("again").addEventListener("click", go);
button("clear").addEventListener("click", async () => {
  if (waiting.length) await forget();
  clear();
});

const folder = Object.assign(document.createElement("input"), { type: "file", webkitdirectory: true, multiple: true });
folder.addEventListener("change", () => folder.files.length && take(chosen(folder)));
button("folder").addEventListener("click", () => {
  folder.value = "";
  folder.click();
});

for (const name of ["dragenter", "dragover"]) {
  area.addEventListener(name, (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
}
area.addEventListener("dragleave", (event) => area.contains(event.relatedTarget) || area.classList.remove("over"));
area.addEventListener("drop", async (event) => {
  event.preventDefault();
  area.classList.remove("over");
  if (!input.disabled) take(await dropped(event.dataTransfer));
});

window.addEventListener("beforeunload", (event) => {
  if (!leaving && form.hasAttribute("aria-busy")) event.preventDefault();
});

part("hint").hidden = false;
// A browser that goes back to this page may have kept the chosen files.
if (input.files.length) take(chosen(input));
