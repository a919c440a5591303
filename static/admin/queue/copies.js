// Copies beside each other: one key keeps one of them and rejects the others.
import { ask } from "./api.js";
import * as actions from "./actions.js";
import * as grid from "./grid.js";
import { $, cards, make, mayDecide, say, urls } from "./view.js";

const dialog = $("#compare");
const body = $(".compare-body", dialog);
let found = null;

let asked = 0;

export async function open() {
  const card = grid.current();
  if (!card) return;
  const mine = ++asked;
  found = null;
  body.replaceChildren(make("p", { textContent: "Loading…" }));
  dialog.showModal();
  body.focus();
  try {
    const answer = await ask(urls.pair.replace("/0/", `/${card.id}/`));
    if (mine !== asked || !dialog.open) return; // closed meanwhile, or asked about another
    found = answer;
  } catch (error) {
    if (mine === asked) body.replaceChildren(make("p", { textContent: error.message }));
    return;
  }
  if (found.cards.length < 2) {
    dialog.close();
    say("Nothing is said to be a copy of this image.");
    return;
  }
  for (const each of found.cards) {
    const known = cards.get(each.id);
    cards.set(each.id, { ...each, html: known?.html ?? "" });
  }
  draw(card.id);
}

function draw(asked) {
  const count = found.cards.length;
  $("#compare-title").textContent = `${count} copies` + (found.more ? ` of ${count + found.more}` : "");
  const head = found.cards.map((card, at) => {
    const proposed = card.id === found.proposed;
    const keys = proposed ? `${at + 1} or Enter` : String(at + 1);
    const button = make("button", { type: "button", className: proposed ? "button" : "button plain" }, "Keep this one ", make("kbd", { textContent: keys }));
    button.addEventListener("click", () => keep(card.id));
    const picture = make("img", { src: card.picture, alt: `Copy ${at + 1}` });
    const mine = make("span", { className: "quiet", textContent: card.id === asked ? "the image in focus" : "" });
    return make("td", { className: proposed ? "proposed" : "" }, picture, ...(mayDecide ? [button] : []), mine);
  });
  const rows = found.rows.map(({ name, values, differs }) =>
    make(
      "tr",
      { className: differs ? "differs" : "" },
      make("th", { scope: "row" }, name, ...(differs ? [make("span", { className: "screen-reader", textContent: " (differs)" })] : [])),
      ...values.map((value) => make("td", { textContent: value })),
    ),
  );
  const table = make("table", {}, make("tr", {}, make("th", { scope: "row", textContent: "Picture" }), ...head), ...rows);
  const all = make("button", { type: "button", className: "button plain" }, "Keep all on purpose ", make("kbd", { textContent: "k" }));
  all.addEventListener("click", () => keep(null));
  body.replaceChildren(table, ...(mayDecide ? [make("p", {}, all)] : []));
}

function keep(id) {
  const those = found.cards.map((card) => cards.get(card.id));
  dialog.close();
  actions.settleCopies(those, id);
}

export function start() {
  dialog.addEventListener("keydown", (event) => {
    // A key held down opened this; what it shows has not been looked at.
    if (event.repeat || !found || !mayDecide || event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = found.cards[Number(event.key) - 1];
    const enter = event.key === "Enter" && !event.target.closest("button");
    if (chosen) keep(chosen.id);
    else if (enter) keep(found.proposed);
    else if (event.key.toLowerCase() === "k") keep(null);
    else return;
    event.preventDefault();
  });
}
