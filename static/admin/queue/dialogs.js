// Dialogs: the zoom, two types side by side, the note for a colleague, the list of keys.
import { ask } from "./api.js";
import * as grid from "./grid.js";
import { $, $$, make, percent, say, urls, view } from "./view.js";

const zoom = $("#zoom");
const leave = $("#leave");
const KEYS = "queue-single-keys";

// The page's keys work in the zoom too, unless another dialog is open over it.
export const zoomed = () => zoom.open && !$$("dialog[open]").some((dialog) => dialog !== zoom);
export const anyOpen = () => $$("dialog").some((dialog) => dialog.open);

export function singleKeys() {
  return localStorage.getItem(KEYS) !== "off";
}

function describe(card) {
  const parts = [card.given?.name ?? "no label"];
  if (card.suggested) {
    const agreed = card.suggested.slug === card.given?.slug;
    const words = agreed ? "model agrees" : `suggested: ${card.suggested.name}`;
    parts.push(`${words} ${percent(card.suggested.probability)}`.trim());
  }
  for (const { words, note } of card.reasons) parts.push(note ? `${words}: “${note}”` : words);
  if (card.last) parts.push(`${card.last.who} ${card.last.words} it`);
  return parts.join(" · ");
}

export function showZoom() {
  const card = grid.current();
  if (!card) return;
  drawZoom(card);
  if (!zoom.open) zoom.showModal();
}

function drawZoom(card) {
  const verdict = grid.verdict(card.id);
  $("#zoom-title").textContent =
    (card.given?.name ?? "no label") + (verdict ? ` (${verdict.words})` : "");
  const image = $("img", zoom);
  image.src = card.picture;
  image.alt = `Image taken for ${card.given?.name ?? "nothing yet"}, ${card.width} × ${card.height}`;
  $(".zoom-words").textContent = `${describe(card)} · ${card.width} × ${card.height} · ${card.source || "source not stated"}`;
  const next = view.order[view.order.indexOf(card.id) + 1];
  if (next !== undefined) new Image().src = grid.cardOf(next).picture;
}

export async function showTypes() {
  const card = grid.current();
  if (!card) return;
  const likely = [card.given, card.suggested, ...card.top].filter(Boolean);
  const slugs = [...new Set(likely.map((type) => type.slug))].slice(0, 2);
  if (!slugs.length) return say("There is no label to define here.");
  const place = $("#define .types");
  place.replaceChildren(make("p", { textContent: "Loading…" }));
  $("#define").showModal();
  try {
    const types = await Promise.all(slugs.map((slug) => ask(urls.type.replace("SLUG", slug))));
    place.replaceChildren(...types.map((type) => drawType(type, type.slug === card.given?.slug)));
  } catch (error) {
    place.replaceChildren(make("p", { textContent: error.message }));
  }
}

function drawType(type, given) {
  const list = (words, sentences) =>
    sentences.length
      ? [make("h4", { textContent: words }), make("ul", {}, ...sentences.map((s) => make("li", { textContent: s })))]
      : [];
  const examples = type.examples.map((one) =>
    make("img", { src: one.thumb, alt: `Confirmed example: ${type.name}`, loading: "lazy" }),
  );
  return make(
    "section",
    {},
    make("h3", {}, type.name, make("span", { className: "quiet", textContent: given ? " given" : " suggested" })),
    make("p", { className: "quiet", textContent: type.category }),
    ...list("How to tell it", type.distinction),
    ...list("For it", type.pros),
    ...list("Against it", type.cons),
    make("h4", { textContent: "Confirmed examples" }),
    examples.length
      ? make("div", { className: "examples" }, ...examples)
      : make("p", { className: "quiet", textContent: "None yet." }),
  );
}

// Asks for a note and calls `done(note)` when it is given.
export function askNote(count, done) {
  const note = $("#leave-note");
  $("#leave-title").textContent = count > 1 ? `Leave ${count} images to a colleague` : "Leave to a colleague";
  note.value = "";
  leave.onclose = () => {
    if (leave.returnValue === "leave" && note.value.trim()) done(note.value.trim());
    leave.returnValue = "";
  };
  leave.showModal();
  note.focus();
}

export function start({ step }) {
  for (const dialog of $$("dialog")) {
    $(".close", dialog).addEventListener("click", () => dialog.close());
    // A click beside a dialog closes it.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
  for (const dialog of ["#zoom", "#define", "#compare", "#relabel", "#leave"].map((id) => $(id))) {
    dialog.addEventListener("close", () => {
      const card = grid.current();
      if (card) grid.focusOn(card.id);
    });
  }
  $("form", leave).addEventListener("submit", (event) => {
    event.preventDefault();
    leave.close("leave");
  });
  $("#leave-note").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form", leave).requestSubmit();
  });
  for (const button of $$("[data-step]", zoom)) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  grid.grid.addEventListener("moved", () => {
    if (zoom.open && grid.current()) drawZoom(grid.current());
  });
  const box = $("#single-keys");
  box.checked = singleKeys();
  box.addEventListener("change", () => localStorage.setItem(KEYS, box.checked ? "on" : "off"));
}

export function showHelp() {
  $("#help").showModal();
}
