// The dialog that shows copies side by side; one key keeps one of them and rejects the others.
import { ask } from "./api.js";
import * as actions from "./actions.js";
import * as grid from "./grid.js";
import { $, cards, make, mayDecide, say, urls } from "./view.js";

const dialog = $("#compare");
const body = $(".compare-body", dialog);
let copies = null;
let requests = 0;

export async function open() {
  const card = grid.current();
  if (!card) return;
  const mine = ++requests;
  copies = null;
  body.replaceChildren(make("p", { textContent: "Loading…" }));
  dialog.showModal();
  body.focus();
  try {
    const answer = await ask(urls.pair.replace("/0/", `/${card.id}/`));
    if (mine !== requests || !dialog.open) return; // closed or opened for another image meanwhile
    copies = answer;
  } catch (error) {
    if (mine === requests) body.replaceChildren(make("p", { textContent: error.message }));
    return;
  }
  if (copies.cards.length < 2) {
    dialog.close();
    say("Nothing is said to be a copy of this image.");
    return;
  }
  for (const each of copies.cards) {
    const known = cards.get(each.id);
    cards.set(each.id, { ...each, html: known?.html ?? "" });
  }
  draw(card.id);
}

function draw(focused) {
  const count = copies.cards.length;
  $("#compare-title").textContent = `${count} copies` + (copies.more ? ` of ${count + copies.more}` : "");
  const head = copies.cards.map((card, at) => {
    const proposed = card.id === copies.proposed;
    const keys = proposed ? `${at + 1} or Enter` : String(at + 1);
    const button = make("button", { type: "button", className: proposed ? "button" : "button plain" }, "Keep this one ", make("kbd", { textContent: keys }));
    button.addEventListener("click", () => keep(card.id));
    const picture = make("img", { src: card.picture, alt: `Copy ${at + 1}` });
    const mine = make("span", { className: "quiet", textContent: card.id === focused ? "the image in focus" : "" });
    return make("td", { className: proposed ? "proposed" : "" }, picture, ...(mayDecide ? [button] : []), mine);
  });
  const rows = copies.rows.map(({ name, values, differs }) =>
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
  const those = copies.cards.map((card) => cards.get(card.id));
  dialog.close();
  actions.settleCopies(those, id);
}

export function start() {
  dialog.addEventListener("keydown", (event) => {
    // Ignore repeats of the key that opened the dialog: nobody has seen its images yet.
    if (event.repeat || !copies || !mayDecide || event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = copies.cards[Number(event.key) - 1];
    const enter = event.key === "Enter" && !event.target.closest("button");
    if (chosen) keep(chosen.id);
    else if (enter) keep(copies.proposed);
    else if (event.key.toLowerCase() === "k") keep(null);
    else return;
    event.preventDefault();
  });
}
