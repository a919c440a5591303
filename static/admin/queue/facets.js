// The filters. Each choice loads a new address and its first page.
import { ask } from "./api.js";
import { $, $$, urls, view } from "./view.js";

const form = $("#facets");
const chips = $("#chips");
const side = $(".facets-side");
const drawer = $("#facets-dialog");

let navigate = () => {};

function chosen() {
  return new URLSearchParams(view.query);
}

// Changes the query and not the form, because the form does not show every value.
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

// Ticks the boxes that the query names.
export function tick() {
  const query = chosen();
  for (const box of $$("input[type=checkbox]", form)) box.checked = query.getAll(box.name).includes(box.value);
}

export function start(go) {
  navigate = go;
  form.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type === "checkbox") navigate(toggled(box.name, box.value));
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
    navigate(link.dataset.query);
    $("#grid").focus();
  });
  // On a phone the form moves into a dialog, which keeps the focus and closes with Escape.
  $("#open-facets").addEventListener("click", () => {
    drawer.append(form);
    drawer.showModal();
  });
  drawer.addEventListener("close", () => side.append(form));
}
