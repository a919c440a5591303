// Shared by all modules of the page: its state, elements, messages and formats.
export const root = document.getElementById("queue");
export const urls = JSON.parse(root.dataset.urls);
export const user = root.dataset.user;
export const me = root.dataset.me;
export const mayDecide = "mayDecide" in root.dataset;
export const claimSeconds = Number(root.dataset.claim);
export const $ = (selector, within = document) => within.querySelector(selector);
export const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

export const cards = new Map(); // id → card, of every image shown so far
export const view = { query: "", order: [], after: null, next: null, left: 0 };

const READABLE = 8000; // milliseconds
let clearing;

export function say(text) {
  const place = $("#say");
  place.textContent = "";
  clearTimeout(clearing);
  // Emptied first, so that screen readers read the same words again.
  clearing = setTimeout(() => {
    place.textContent = text;
    clearing = setTimeout(() => (place.textContent = ""), READABLE);
  }, 30);
}

export function number(count) {
  return count > 10000 ? "10,000+" : String(Math.max(0, count));
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

export function ago(iso) {
  const minutes = Math.floor((Date.now() - new Date(iso)) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${plural(Math.round(minutes / 60), "hour")} ago`;
  return `${Math.round(minutes / 1440)} days ago`;
}

export function percent(share) {
  if (share === null || share === undefined) return "";
  const rounded = Math.round(100 * share);
  return rounded >= 100 && share < 1 ? "over 99\u00a0%" : `${rounded}\u00a0%`;
}

export function make(tag, properties = {}, ...children) {
  const { dataset, role, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  if (role) element.setAttribute("role", role);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

export function stored(place, key, fallback) {
  try {
    return JSON.parse(place.getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function store(place, key, value) {
  try {
    place.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: only a reload forgets more than usual.
  }
}
