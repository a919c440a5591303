// Makes decisions: shows them at once, sends them in the background, undoes one step at a time.
import { ask } from "./api.js";
import * as grid from "./grid.js";
import * as outbox from "./outbox.js";
import { $, ago, cards, me, number, plural, say, store, stored, urls, user, view } from "./view.js";

const AT_ONCE = 200; // images in one request
const KEY = `queue-steps-${user}`;
// Steps of this tab, newest last: { parts: [{ key, batch, ids }], words }.
const steps = stored(sessionStorage, KEY, []);
let step = null;

export const WORDS = {
  confirm: "kept", reject: "rejected", restore: "restored", leave: "left to a colleague",
  "keep-all": "copies kept",
};

const NOTHING = "Nothing is suggested here. Keep it with k or choose a label with /.";

// Called after each decision: moves the page on.
let onwards = () => {};
export const whenDecided = (listener) => (onwards = listener);

function remember() {
  store(sessionStorage, KEY, steps.slice(-50));
  const button = $('[data-do="undo"]');
  if (button) button.disabled = !steps.length;
}
remember();

function send(action, targets, { label = "", note = "", words }) {
  for (let at = 0; at < targets.length; at += AT_ONCE) {
    const part = targets.slice(at, at + AT_ONCE);
    const images = part.map((card) => ({ id: card.id, seen: card.seen }));
    for (const card of part) {
      if (grid.inView(card.id) && grid.isOpen(card.id)) view.left -= 1;
      grid.mark(card.id, "pending", words);
    }
    const key = outbox.add({ action, images, label, note, words });
    step.parts.push({ key, batch: null, ids: part.map((card) => card.id) });
  }
}

// Makes all decisions sent by `work` one step for “undo”.
function oneStep(words, ids, work) {
  step = { parts: [], words };
  work();
  steps.push(step);
  grid.clearSelection(ids);
  remember();
  $("#left").textContent = number(view.left);
  say(words);
  onwards();
}

export function decide(action, targets, { label = null, note = "" } = {}) {
  if (!targets.length) return;
  const words = action === "relabel" ? `→ ${label.name}` : WORDS[action];
  const said = targets.length > 1 ? `${plural(targets.length, "image")}: ${words}` : words;
  const ids = targets.map((card) => card.id);
  oneStep(said, ids, () => send(action, targets, { label: label?.slug ?? "", note, words }));
}

// Returns what Enter does with a card: "relabel" as suggested, "confirm", "compare" or "nothing".
export function accepted(card) {
  const agreed = !card.suggested || card.suggested.slug === card.given?.slug;
  // Confirming it would also answer the finding that it is a copy.
  if (card.pair && (agreed || card.reasons[0].other)) return "compare";
  if (!card.suggested) return "nothing";
  return agreed ? "confirm" : "relabel";
}

export function accept(targets) {
  const groups = Map.groupBy?.(targets, accepted) ?? groupBy(targets, accepted);
  const relabelled = groupBy(groups.get("relabel") ?? [], (card) => card.suggested.slug);
  const kept = groups.get("confirm") ?? [];
  const passed = [...(groups.get("compare") ?? []), ...(groups.get("nothing") ?? [])];
  const count = targets.length - passed.length;
  if (!count) {
    const copies = groups.has("compare");
    say(copies ? "These are copies. Compare them one at a time." : NOTHING);
    return;
  }
  const ids = targets.filter((card) => !passed.includes(card)).map((card) => card.id);
  const left = passed.length
    ? `; ${passed.length} left, being copies or without a suggestion`
    : "";
  const one = count === 1 && relabelled.size === 1 ? `→ ${ids.map((id) => cards.get(id).suggested.name)}` : "";
  oneStep((one || `${plural(count, "suggestion")} accepted`) + left, ids, () => {
    for (const group of relabelled.values()) {
      const [{ suggested }] = group;
      send("relabel", group, { label: suggested.slug, words: `→ ${suggested.name}` });
    }
    if (kept.length) send("confirm", kept, { words: WORDS.confirm });
  });
}

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) {
    if (!groups.has(key(item))) groups.set(key(item), []);
    groups.get(key(item)).push(item);
  }
  return groups;
}

// Keeps one of the copies and rejects the others; with `keep` null keeps all of them on purpose.
export function settleCopies(found, keep) {
  const rest = found.filter((card) => card.id !== keep);
  const words = keep === null ? "All copies kept on purpose" : `${plural(rest.length, "copy", "copies")} rejected`;
  const ids = found.map((card) => card.id);
  oneStep(words, ids, () => {
    if (keep !== null) {
      send("reject", rest, { words: "rejected copy" });
      // On undo the server returns only the rejected images, so the kept one is remembered here.
      step.kept = { id: keep, verdict: grid.verdict(keep) ?? null };
    } else send("keep-all", found, { words: WORDS["keep-all"] });
    for (const id of keep === null ? ids : [keep]) {
      const settled = grid.settleCopies(id);
      grid.mark(id, settled ? "done" : null, settled ? "kept" : "");
    }
  });
}

let undoing = Promise.resolve();

// One after the other, because a step can be undone only once all later ones on its images are.
export function undo() {
  undoing = undoing.then(undoLast);
  return undoing;
}

async function undoLast() {
  const last = steps.at(-1);
  if (!last) return say("There is nothing to undo.");
  const back = [];
  try {
    for (const part of [...last.parts].reverse()) {
      back.push(...(await takeBack(part)));
      last.parts = last.parts.filter((other) => other !== part);
    }
  } catch (error) {
    remember();
    say(`Not undone. ${error.message}`);
    return undefined;
  }
  // It stays in the list until now, because the answer to its sending may arrive meanwhile.
  steps.splice(steps.indexOf(last), 1);
  remember();
  if (last.kept && grid.inView(last.kept.id)) {
    const { id, verdict } = last.kept;
    grid.unsettleCopies(id);
    grid.mark(id, verdict?.status, verdict?.words);
  }
  view.left += back.filter((id) => grid.inView(id)).length;
  $("#left").textContent = number(view.left);
  if (back.length) grid.focusOn(back.at(-1));
  say(`Undone: ${last.words}`);
}

async function takeBack(part) {
  if (outbox.recall(part.key)) {
    for (const id of part.ids) grid.mark(id, null);
    return part.ids;
  }
  await outbox.settled(part.key);
  if (outbox.isUnsent(part.key)) return takeBack(part);
  if (!part.batch) return []; // refused or overtaken: nothing was changed
  const { cards: fresh } = await ask(urls.undo, { batch: part.batch, by: user });
  for (const card of fresh) {
    if (grid.inView(card.id)) {
      grid.replace(card);
      grid.mark(card.id, null);
    } else grid.insertFirst(card);
  }
  return fresh.map((card) => card.id);
}

outbox.on("sent", (entry, answer) => {
  const owner = steps.flatMap((each) => each.parts).find((part) => part.key === entry.key);
  if (owner) owner.batch = answer.batch;
  remember();
  for (const id of answer.images) {
    const card = cards.get(id);
    if (card && answer.seen[id]) card.seen = answer.seen[id];
    // A later decision on the image that is still unsent decides what the card shows.
    if (outbox.onItsWay(id)) continue;
    if (grid.verdict(id)?.status !== "done") grid.mark(id, "done", entry.words);
  }
  if (entry.action === "keep-all") {
    for (const { id } of entry.images) {
      if (!grid.settleCopies(id) && !outbox.onItsWay(id)) grid.mark(id, null);
    }
  }
  for (const card of answer.overtaken) overtaken(card, entry, owner);
});

function overtaken(card, entry, owner) {
  const { last } = card;
  const same = last && last.action === entry.action && (!entry.label || last.label?.slug === entry.label);
  if (grid.inView(card.id)) grid.replace(card);
  else cards.set(card.id, card);
  if (last?.who === me && same) {
    // The answer to the first sending was lost: the decision is made already.
    if (owner) owner.batch ??= last.batch;
    grid.mark(card.id, "done", entry.words);
    return;
  }
  // The page with the image may have been left already.
  if (!grid.inView(card.id)) grid.insertFirst(card);
  view.left += 1;
  const label = last?.label && last.action !== "reject" ? ` ${last.label.name}` : "";
  const words = last ? `${last.who} ${last.words} it${label}, ${ago(last.at)}` : "changed meanwhile";
  grid.mark(card.id, "overtaken", words);
  say(`Not done: ${words}. Go back to it and decide anew.`);
}

outbox.on("refused", (entry, error) => {
  for (const image of entry.images) grid.mark(image.id, "refused", error.message);
  say(`Refused: ${error.message}`);
});

outbox.on("changed", () => {
  const waiting = outbox.waiting();
  const place = $("#unsent");
  place.hidden = !waiting;
  if (!waiting) return;
  const { error } = outbox.state;
  place.replaceChildren(`${plural(waiting, "decision")} not sent yet. ${error.message} `);
  if (error.code === "signed_out") {
    const link = Object.assign(document.createElement("a"), { href: urls.login, target: "_blank", textContent: "Sign in" });
    place.append(link);
  } else place.append("They are sent as soon as it answers again.");
  for (const id of view.order) {
    const { status, words } = grid.verdict(id) ?? {};
    if (status === "pending") grid.mark(id, "unsent", `${words}, not sent yet`);
  }
});
