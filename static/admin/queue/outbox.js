// Sends decisions to the server in order, one at a time. Unsent ones survive a lost connection, a
// signed-out session and a reload.
import { Refused, ask, mayPass } from "./api.js";
import { store, stored, urls, user } from "./view.js";

const LONGEST_WAIT = 30; // seconds
const TAKEN = 1000; // milliseconds to wait for the lock of a page that is just being reloaded
const listeners = { sent: [], refused: [], changed: [] };
export const on = (event, listener) => listeners[event].push(listener);
const notify = (event, ...facts) => listeners[event].forEach((listener) => listener(...facts));

// Each tab stores its own, so that no two send the same; a tab takes over what closed tabs left.
let tab = sessionStorage.getItem("queue-tab") ?? newName();
let mine = false; // whether this tab holds the lock of its name
const prefix = `queue-unsent-${user}-`;
let entries = [];
let sending = null;
let timer = null;
export const state = { error: null, retryAt: 0, tries: 0 };

const keep = () => {
  if (!mine) return;
  if (entries.length) store(localStorage, prefix + tab, entries);
  else localStorage.removeItem(prefix + tab);
};

export const unsent = () => entries.length;
export const waiting = () => (state.error ? entries.length : 0);
// Returns the newest unsent decision on an image in words.
export const onItsWay = (id) =>
  entries.findLast(({ images }) => images.some((image) => image.id === id))?.words;
export const isUnsent = (key) => entries.some((entry) => entry.key === key);

export function add(entry) {
  entries.push({ key: String(Math.random()).slice(2), ...entry });
  keep();
  notify("changed");
  if (!state.error) flush();
  return entries.at(-1).key;
}

// Removes and returns an unsent decision; null if it was sent or is being sent. Throws if an earlier
// try may have reached the server.
export function recall(key) {
  const entry = entries.find((other) => other.key === key);
  if (!entry || sending === entry) return null;
  if (entry.tried) throw new Error("It may have reached the server; try when it answers again.");
  entries = entries.filter((other) => other !== entry);
  keep();
  notify("changed");
  return entry;
}

export async function settled(key) {
  while (sending && sending.key === key) await new Promise((go) => setTimeout(go, 30));
}

export async function flush() {
  if (sending) return;
  clearTimeout(timer);
  while (entries.length) {
    const [entry] = entries;
    sending = entry;
    const { action, images, label, note } = entry;
    try {
      const answer = await ask(urls.decide, { action, images, label, note, by: user });
      arrived(entry, answer);
    } catch (error) {
      if (!(error instanceof Refused) || mayPass(error)) {
        sending = null;
        if (error.code !== "signed_out") entry.tried = true;
        keep();
        waitFor(error);
        return;
      }
      done(entry);
      notify("refused", entry, error);
    }
    sending = null;
    keep();
  }
  notify("changed");
}

function done(entry) {
  Object.assign(state, { error: null, tries: 0, retryAt: 0 });
  entries = entries.filter((other) => other !== entry);
}

function arrived(entry, answer) {
  done(entry);
  const before = new Map(entry.images.map((image) => [image.id, image.seen]));
  for (const later of entries) {
    for (const image of later.images) {
      // A later decision on the same image was made after seeing this one.
      if (image.id in answer.seen && image.seen === before.get(image.id)) {
        image.seen = answer.seen[image.id];
      }
    }
  }
  notify("sent", entry, answer);
}

function waitFor(error) {
  state.error = error;
  const seconds = Math.min(LONGEST_WAIT, 2 ** state.tries);
  state.tries += 1;
  state.retryAt = Date.now() + 1000 * seconds;
  timer = setTimeout(flush, 1000 * seconds);
  notify("changed");
}

function newName() {
  return String(Math.random()).slice(2);
}

// Locks a tab's name for as long as the page lives, so that other tabs leave what is stored under it
// alone. Resolves to false if another tab holds it: a duplicated tab starts with the other's name.
function hold(name) {
  if (!navigator.locks) return true;
  return new Promise((held) => {
    const forever = () => {
      held(true);
      return new Promise(() => {});
    };
    const options = { signal: AbortSignal.timeout(TAKEN) };
    navigator.locks.request(name, options, forever).catch(() => held(false));
  });
}

async function takeOver() {
  if (!(await hold(prefix + tab))) {
    tab = newName();
    await hold(prefix + tab);
  }
  sessionStorage.setItem("queue-tab", tab);
  const recent = new Set(entries); // decided while waiting for the lock
  entries = [...stored(localStorage, prefix + tab, []), ...entries];
  mine = true;
  const others = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
  for (const key of others.filter((other) => other !== prefix + tab)) {
    const take = (lock) => {
      if (lock === null) return;
      entries.push(...stored(localStorage, key, []));
      localStorage.removeItem(key);
    };
    if (navigator.locks) await navigator.locks.request(key, { ifAvailable: true }, take);
    else take();
  }
  keep();
  return entries.filter((entry) => !recent.has(entry));
}

export async function start() {
  addEventListener("online", flush);
  addEventListener("beforeunload", (event) => {
    if (entries.length) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state.error) flush();
  });
  const left = await takeOver();
  notify("changed");
  flush();
  return left;
}
