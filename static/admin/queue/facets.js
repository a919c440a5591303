// The filters: a choice is a new address and a new first page.
import { ask } from "./api.js";
import { $, $$, urls, view } from "./view.js";

const form = $("#facets");
const chips = $("#chips");
const side = $(".facets-side");
const drawer = $("#facets-dialog");

let go = () => {};

function chosen() {
  return new URLSearchParams(view.query);
}

// Toggled in the address and not read off the form, which does not show every value.
function toggled(name, value) {
  const query = new URLSearchParams();
  let was = false;
  for (const [key, each] of chosen()) {
    if (key === name && each === value) was = true;
    else query.append(key, each);
  }
  if (!was) query.append(name, value);
  return query.toString();
}

export function draw({ facets_html: facets, chips_html: words }) {
  const focus = document.activeElement;
  const [name, value] = form.contains(focus) ? [focus.name, focus.value] : [null, null];
  form.innerHTML = facets;
  chips.innerHTML = words;
  if (!name) return;
  const again = $$("input[type=checkbox]", form).find((box) => box.name === name && box.value === value);
  again?.focus({ preventScroll: true });
}

let typing;

async function find(input) {
  const field = input.closest("fieldset");
  const query = chosen();
  query.set("name", field.dataset.facet);
  query.set("find", input.value);
  const { html } = await ask(`${urls.facet}?${query}`);
  $(".values", field).innerHTML = html;
  tick();
}

// The boxes as the address says.
export function tick() {
  const query = chosen();
  for (const box of $$("input[type=checkbox]", form)) box.checked = query.getAll(box.name).includes(box.value);
}

export function start(navigate) {
  go = navigate;
  form.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type === "checkbox") go(toggled(box.name, box.value));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (!event.target.matches(".find")) return;
    clearTimeout(typing);
    typing = setTimeout(() => find(event.target).catch(() => {}), 200);
  });
  chips.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-query]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    go(link.dataset.query);
    $("#grid").focus();
  });
  // On a phone the same form moves into a dialog, which keeps the focus and closes with Escape.
  $("#open-facets").addEventListener("click", () => {
    drawer.append(form);
    drawer.showModal();
  });
  drawer.addEventListener("close", () => side.append(form));
}
