// The queue's page: keys, buttons, loading page after page.
import * as actions from "./actions.js";
import { ask } from "./api.js";
import * as claims from "./claims.js";
import * as copies from "./copies.js";
import * as dialogs from "./dialogs.js";
import * as facets from "./facets.js";
import * as grid from "./grid.js";
import * as labels from "./labels.js";
import * as outbox from "./outbox.js";
import { $, $$, mayDecide, number, plural, root, say, urls, view } from "./view.js";

const PAUSE = 450; // milliseconds to read the last decision before the next page is shown
const tools = $(".tools");

// --- pages -------------------------------------------------------------------------------------

function address(query, options) {
  const search = new URLSearchParams(query);
  for (const [name, value] of Object.entries(options)) if (value !== null) search.set(name, value);
  return `${urls.data}?${search}`;
}

function prefetch() {
  view.next = view.after && ask(address(view.query, { after: view.after, facets: 0 })).catch(() => null);
}

function arrive(page, options) {
  const { query } = view;
  view.after = page.after;
  view.ahead = [];
  turning = false;
  grid.show(page, options);
  const decided = page.cards.filter(({ id }) => outbox.onItsWay(id));
  for (const { id } of decided) grid.mark(id, "pending", outbox.onItsWay(id));
  if (decided.length) grid.toNextOpen(options?.focus ?? true);
  drawClaimed(page.claimed);
  $("#next").hidden = !page.after;
  prefetch();
  const coming = view.next;
  coming?.then((next) => {
    const ids = next?.cards.map((card) => card.id) ?? [];
    if (view.next === coming) view.ahead = ids;
    else if (view.query !== query) claims.release(ids); // somebody chose another view meanwhile
  });
}

function drawClaimed(claimed) {
  let why = "No image fits any more.";
  if (claimed) why = "The rest is on colleagues’ pages; what they leave comes back.";
  else if (view.left > 0) why = "What you passed over is still in the queue: start from the top.";
  $("#why-nothing").textContent = why;
  $("#claimed").hidden = !claimed;
  $("#claimed span").textContent = claimed;
}

function drawLeft(left) {
  view.left = left;
  $("#left").textContent = number(left);
}

// Loads the counts again with each page, because every decision changes them.
function recount() {
  const query = view.query;
  ask(address(query, { cards: 0 }))
    .then((data) => {
      if (query !== view.query) return;
      facets.draw(data);
      drawLeft(data.left - outbox.unsent());
    })
    .catch(() => {});
}

let moving = false;

async function nextPage() {
  if (moving || !view.after) return;
  moving = true;
  const query = view.query;
  claims.release(grid.openOnes());
  try {
    const page = (await view.next) ?? (await ask(address(query, { after: view.after, facets: 0 })));
    if (query !== view.query) return;
    // It was fetched early: images decided on since as copies may be on it.
    arrive({ ...page, cards: page.cards.filter((card) => grid.isOpen(card.id)) });
    scrollTo({ top: 0 });
    recount();
    if (view.order.length) say(`Next page: ${plural(view.order.length, "image")}`);
    else fromTop();
  } catch (error) {
    say(`The next page did not come. ${error.message}`);
  } finally {
    moving = turning = false;
  }
}

let asking = 0;

async function go(query, { push = true, focus = false } = {}) {
  const mine = ++asking;
  const gone = claims.held();
  const before = view.query;
  view.query = query;
  if (push) history.pushState(null, "", query ? `?${query}` : location.pathname);
  root.ariaBusy = "true";
  await claims.release(gone);
  try {
    const page = await ask(address(query, {}));
    if (mine !== asking) return;
    facets.draw(page);
    drawLeft(page.left);
    arrive(page, { focus });
    say(`${number(page.left)} left in this view`);
  } catch (error) {
    say(error.message);
    if (mine !== asking) return;
    // The page still shows the previous view.
    view.query = before;
    history.replaceState(null, "", before ? `?${before}` : location.pathname);
    facets.tick();
    claims.renew();
  } finally {
    if (mine === asking) root.ariaBusy = "false";
    turning = false;
  }
}

const fromTop = () => go(view.query, { push: false, focus: true });

let settling;
let turning = false; // all of the page is decided on, and its last card still has the focus

actions.whenDecided(() => {
  if (grid.toNextOpen(!dialogs.anyOpen() && !labelsOpen())) return;
  clearTimeout(settling);
  turning = true;
  settling = setTimeout(pageDone, PAUSE);
});

const labelsOpen = () => $("#relabel").open;

function pageDone() {
  if (grid.openOnes().length) {
    turning = false;
    return; // undone meanwhile
  }
  if (view.after) nextPage();
  else if (outbox.unsent()) setTimeout(pageDone, PAUSE);
  else fromTop();
}

// --- what keys and buttons do ------------------------------------------------------------------

const decideOn = (work) => () => {
  const targets = grid.targets();
  // A key meant for the next page, not shown yet, would change the last card of this one.
  if (turning && targets.length === 1 && targets[0] === grid.current()) return;
  if (mayDecide && targets.length) work(targets);
};

const DO = {
  accept: decideOn((targets) => {
    if (targets.length === 1 && actions.accepted(targets[0]) === "compare") {
      if (grid.current()?.id !== targets[0].id) grid.focusOn(targets[0].id);
      copies.open();
    } else actions.accept(targets);
  }),
  keep: decideOn((targets) => {
    const unlabelled = targets.filter((card) => !card.given).length;
    if (unlabelled) say(`${plural(unlabelled, "image")} without a label: choose one with /.`);
    actions.decide("confirm", targets.filter((card) => card.given));
  }),
  relabel: decideOn((targets) => labels.open(targets, (label) => actions.decide("relabel", targets, { label }))),
  reject: decideOn((targets) => actions.decide("reject", targets)),
  restore: decideOn((targets) => actions.decide("restore", targets.filter((card) => card.state === "rejected"))),
  leave: decideOn((targets) => dialogs.askNote(targets.length, (note) => actions.decide("leave", targets, { note }))),
  undo: () => mayDecide && actions.undo().then(recount),
  zoom: dialogs.showZoom,
  define: dialogs.showTypes,
  compare: copies.open,
  all: grid.selectAll,
  help: dialogs.showHelp,
  next: nextPage,
};
const LETTERS = {
  k: "keep", "/": "relabel", s: "leave", z: "undo", o: "zoom", "+": "zoom", d: "define",
  p: "compare", r: "restore", n: "next", "?": "help",
};

const DECIDING = new Set(["Enter", "Delete", "Backspace"]);

function onKey(event) {
  const { key, target } = event;
  const zoomed = dialogs.zoomed();
  // A key that closed a dialog does nothing on the page behind it.
  if (event.defaultPrevented || (dialogs.anyOpen() && !zoomed)) return;
  if (target.matches("input, textarea, select")) return;
  // A key held down may move the focus, but not decide on images that nobody has looked at.
  if (event.repeat && (key.length === 1 || DECIDING.has(key))) return event.preventDefault();
  // Keys apply to the image in focus, also where assistive technology moved the focus.
  const card = !zoomed && Number(target.closest(".card")?.dataset.id);
  if (card && card !== grid.current()?.id) grid.focusOn(card);
  const inGrid = zoomed || target === document.body || grid.grid.contains(target);
  const onButton = target.matches("a, button, summary");
  const command = event.ctrlKey || event.metaKey;
  if (event.altKey || (command && key.toLowerCase() !== "a")) return;
  if (command ? inGrid && press("all") : inGrid && moves(event, zoomed)) event.preventDefault();
  else if (command) return;
  else if (inGrid && !onButton && handles(key)) event.preventDefault();
  else if (dialogs.singleKeys() && LETTERS[key.toLowerCase()] && press(LETTERS[key.toLowerCase()])) {
    event.preventDefault();
  }
}

function press(name) {
  if (dialogs.zoomed() && name === "zoom") $("#zoom").close();
  else DO[name]();
  return true;
}

function moves(event, zoomed) {
  if (event.target.matches("a, button") && !zoomed) return false;
  const sideways = { ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" };
  const key = zoomed ? (sideways[event.key] ?? event.key) : event.key;
  const moved = grid.move(key, event.shiftKey, !zoomed);
  if (moved) turning = false; // back to a decided card, on purpose
  return moved;
}

function handles(key) {
  if (key === " ") grid.current() && grid.toggle(grid.current().id);
  else if (key === "Escape" && !dialogs.zoomed()) grid.clearSelection();
  else if (key === "Enter") press("accept");
  else if (key === "Delete" || key === "Backspace") press("reject");
  else return false;
  return true;
}

function onClick(event) {
  const card = event.target.closest(".card");
  if (!card) return;
  const id = Number(card.dataset.id);
  turning = false;
  if (event.shiftKey) return grid.rangeTo(id);
  grid.focusOn(id);
  if (event.target.closest(".why.copy")) copies.open();
  else grid.toggle(id);
}

// --- start -------------------------------------------------------------------------------------

function start() {
  document.documentElement.classList.add("scripted"); // CSS may hide the filters behind a button now
  const page = JSON.parse(root.dataset.page);
  const query = new URLSearchParams(location.search);
  query.delete("after");
  view.query = query.toString();
  view.left = page.left;
  facets.start(go);
  labels.start();
  copies.start();
  dialogs.start({ step: (by) => grid.move(by < 0 ? "ArrowLeft" : "ArrowRight", false, false) });
  arrive(page, { drawn: true });
  tools.hidden = false;
  document.addEventListener("keydown", onKey);
  grid.grid.addEventListener("click", onClick);
  // The two clicks before selected the card and unselected it again.
  grid.grid.addEventListener("dblclick", (event) => event.target.closest(".card") && dialogs.showZoom());
  grid.grid.addEventListener("moved", drawTools);
  drawTools();
  for (const button of $$("[data-do]")) button.addEventListener("click", () => DO[button.dataset.do]());
  $("#clear").addEventListener("click", () => grid.clearSelection());
  $("#next").addEventListener("click", (event) => (event.preventDefault(), nextPage()));
  $("#again").addEventListener("click", (event) => (event.preventDefault(), fromTop()));
  outbox.on("sent", (entry) => entry.action === "keep-all" && recount());
  addEventListener("popstate", () => go(location.search.slice(1), { push: false }));
  claims.start();
  outbox.start().then((left) => {
    for (const entry of left) {
      for (const image of entry.images) grid.mark(image.id, "pending", entry.words);
    }
    if (left.length) grid.toNextOpen();
  });
}

// Shows “Restore” only for a rejected image.
function drawTools() {
  const button = $('[data-do="restore"]');
  if (button) button.hidden = grid.current()?.state !== "rejected";
}

start();
