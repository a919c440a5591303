// The grid of cards: which card has the focus, which are selected, what was decided on each.
import { $, $$, cards, plural, say, store, stored, user, view } from "./view.js";

export const grid = $("#grid");
const KEY = `queue-selected-${user}`;
// Whole cards, because a decision sends what was seen, also of images that are not in view.
const selected = new Map(stored(sessionStorage, KEY, []).map((card) => [card.id, card]));
const verdicts = new Map(); // id → { status, words }; a card without one is open
const unsettled = new Map(); // id → { reasons, pair } of a card before its copies were settled
let focused = null;
let anchor = null;

export const element = (id) => document.getElementById(`image-${id}`);
export const inView = (id) => view.order.includes(id);
export const cardOf = (id) => cards.get(id);
export const isSelected = (id) => selected.has(id);
export const verdict = (id) => verdicts.get(id);
const OPEN = new Set([undefined, "overtaken", "refused"]);
export const isOpen = (id) => OPEN.has(verdicts.get(id)?.status);
export const openOnes = () => view.order.filter(isOpen);

for (const [id, card] of selected) if (!cards.has(id)) cards.set(id, card);

export function current() {
  return cards.get(focused) ?? null;
}

// Returns the cards that a decision applies to: the selection, else the image in focus.
export function targets() {
  if (selected.size) return [...selected.keys()].map((id) => cards.get(id));
  return focused === null ? [] : [cards.get(focused)];
}

// Shows a page of cards. `drawn`: their HTML is on the page already.
export function show(page, { focus = true, drawn = false } = {}) {
  for (const card of page.cards) cards.set(card.id, card);
  view.order = page.cards.map((card) => card.id);
  verdicts.clear();
  if (!drawn) {
    grid.replaceChildren();
    grid.insertAdjacentHTML("beforeend", page.cards.map((card) => card.html).join(""));
  }
  focused = anchor = null;
  for (const id of view.order) paintSelection(id);
  $("#nothing").hidden = view.order.length > 0;
  if (view.order.length) focusOn(view.order[0], { really: focus });
  countSelected();
}

export function insertFirst(card) {
  cards.set(card.id, card);
  element(card.id)?.remove();
  view.order = [card.id, ...view.order.filter((id) => id !== card.id)];
  verdicts.delete(card.id);
  grid.insertAdjacentHTML("afterbegin", card.html);
  $("#nothing").hidden = true;
  paintSelection(card.id);
}

export function replace(card) {
  cards.set(card.id, card);
  const old = element(card.id);
  if (!old) return;
  const hadFocus = old.contains(document.activeElement);
  old.insertAdjacentHTML("afterend", card.html);
  old.remove();
  element(card.id).tabIndex = card.id === focused ? 0 : -1;
  if (hadFocus) element(card.id).focus();
  paintSelection(card.id);
}

export function focusOn(id, { really = true } = {}) {
  const before = element(focused);
  if (before) before.tabIndex = -1;
  focused = id;
  const now = element(id);
  if (!now) return;
  now.tabIndex = 0;
  if (really) {
    now.focus({ preventScroll: true });
    now.scrollIntoView({ block: "nearest" });
  }
  grid.dispatchEvent(new CustomEvent("moved", { detail: id }));
}

function columns() {
  const tops = view.order.map((id) => element(id).offsetTop);
  const first = tops.findIndex((top) => top !== tops[0]);
  return first < 0 ? tops.length : first;
}

const STEPS = {
  ArrowLeft: () => -1,
  ArrowRight: () => 1,
  ArrowUp: () => -columns(),
  ArrowDown: () => columns(),
  Home: () => -view.order.length,
  End: () => view.order.length,
};

// Moves the focus and returns whether `key` is one that moves it.
export function move(key, extend = false, really = true) {
  if (!STEPS[key] || !view.order.length) return false;
  const at = Math.max(0, view.order.indexOf(focused));
  const to = Math.min(view.order.length - 1, Math.max(0, at + STEPS[key]()));
  const beyond = at + STEPS[key]() < 0 || at + STEPS[key]() >= view.order.length;
  if (beyond && (key === "ArrowUp" || key === "ArrowDown")) return true;
  if (extend) {
    anchor ??= focused;
    range(anchor, view.order[to]);
  } else anchor = null;
  focusOn(view.order[to], { really });
  return true;
}

export function toNextOpen(really = true) {
  const at = view.order.indexOf(focused);
  const turned = [...view.order.slice(at), ...view.order.slice(0, Math.max(at, 0))];
  const next = turned.find(isOpen);
  anchor = null; // the next range begins here
  if (next !== undefined) focusOn(next, { really });
  return next !== undefined;
}

export function range(from, to) {
  const [a, b] = [view.order.indexOf(from), view.order.indexOf(to)].sort((x, y) => x - y);
  // Decided images in between are not selected.
  for (const id of view.order.slice(Math.max(a, 0), b + 1)) if (isOpen(id)) pick(id, true);
  remember();
}

export function rangeTo(id) {
  anchor ??= focused;
  range(anchor, id);
  focusOn(id);
}

export function toggle(id) {
  anchor = id;
  pick(id, !selected.has(id));
  remember();
}

export function selectAll() {
  for (const id of openOnes()) pick(id, true);
  remember();
  say(`${plural(selected.size, "image")} selected`);
}

export function clearSelection(ids = [...selected.keys()]) {
  for (const id of ids) pick(id, false);
  remember();
}

function pick(id, yes) {
  if (yes) selected.set(id, cards.get(id));
  else selected.delete(id);
  paintSelection(id);
}

function remember() {
  const kept = [...selected.keys()].map((id) => ({ ...cards.get(id), html: "" }));
  store(sessionStorage, KEY, kept);
  countSelected();
}

function paintSelection(id) {
  element(id)?.setAttribute("aria-selected", String(selected.has(id)));
}

function countSelected() {
  const away = [...selected.keys()].filter((id) => !inView(id)).length;
  $("#selected").hidden = !selected.size;
  $("#selected span").textContent =
    `${selected.size} selected` + (away ? ` (${away} not in view)` : "");
}

// Sets what was decided on a card. `status`: pending, done, unsent, refused, overtaken; none opens
// the card again.
export function mark(id, status, words = "") {
  if (status) verdicts.set(id, { status, words });
  else verdicts.delete(id);
  const card = element(id);
  if (!card) return;
  if (status) card.dataset.verdict = status;
  else delete card.dataset.verdict;
  $(".verdict", card).textContent = words;
}

// Removes a card's findings of copies. Returns whether nothing else is left to decide on it.
export function settleCopies(id) {
  const card = cards.get(id);
  const { reasons, pair } = card;
  cards.set(id, { ...card, reasons: reasons.filter((reason) => !reason.other), pair: false });
  showCopies(id, false);
  unsettled.set(id, unsettled.get(id) ?? { reasons, pair });
  return !cards.get(id).reasons.length && card.state !== "unreviewed";
}

// Undoes settleCopies.
export function unsettleCopies(id) {
  cards.set(id, { ...cards.get(id), ...unsettled.get(id) });
  unsettled.delete(id);
  showCopies(id, true);
}

function showCopies(id, yes) {
  const drawn = element(id);
  if (drawn) $$(".why.copy", drawn).forEach((line) => line.classList.toggle("settled", !yes));
}

