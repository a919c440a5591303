// The dialog that finds a label as one types.
import { ask } from "./api.js";
import { $, make, percent, plural, urls } from "./view.js";

const dialog = $("#relabel");
const input = $("input", dialog);
const list = $("#label-list");
let labels = null;
let likely = new Map(); // slug → probability
let given = null; // the label that all of them have already
let choose = () => {};

async function load() {
  labels ??= (await ask(urls.labels)).labels;
}

// Returns how well a label fits the typed words, from 4 down to 0, which is not at all.
function fits(label, words) {
  const name = label.name.toLowerCase();
  const all = `${name} ${label.slug} ${label.category.toLowerCase()}`;
  if (!words.every((word) => all.includes(word))) return 0;
  const [first = ""] = words;
  if (name.startsWith(first)) return 4;
  if (name.split(/[\s/-]+/).some((part) => part.startsWith(first))) return 3;
  return name.includes(first) || label.slug.includes(first) ? 2 : 1;
}

function ranked() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  // The label that the images have already comes last.
  const chance = (label) => (label.slug === given ? -1 : (likely.get(label.slug) ?? 0));
  return labels
    .map((label, at) => ({ label, at, fit: fits(label, words) }))
    .filter(({ fit }) => fit)
    .sort((a, b) => b.fit - a.fit || chance(b.label) - chance(a.label) || a.at - b.at)
    .map(({ label }) => label);
}

function draw() {
  const options = ranked().map((label, at) =>
    make(
      "li",
      { role: "option", id: `label-${label.slug}`, dataset: { slug: label.slug }, ariaSelected: String(at === 0) },
      make("span", { textContent: label.name }),
      make("span", {
        className: "quiet",
        textContent: [label.category, percent(likely.get(label.slug))].filter(Boolean).join(" · "),
      }),
    ),
  );
  list.replaceChildren(...options);
  list.scrollTop = 0;
  activate(options[0]);
}

const active = () => $('[aria-selected="true"]', list);

function activate(option) {
  active()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

function take(option) {
  const label = labels?.find(({ slug }) => slug === option?.dataset.slug);
  if (!label) return;
  dialog.close();
  choose(label);
}

export async function open(targets, chosen) {
  choose = chosen;
  likely = new Map();
  const labelled = new Set(targets.map((card) => card.given?.slug));
  given = labelled.size === 1 ? [...labelled][0] : null;
  for (const card of targets) {
    for (const { slug, probability } of [...card.top, card.suggested].filter(Boolean)) {
      likely.set(slug, Math.max(likely.get(slug) ?? 0, probability ?? 0.01));
    }
  }
  $("#relabel-title").textContent =
    targets.length > 1 ? `Relabel ${plural(targets.length, "image")}` : `Relabel: ${targets[0].given?.name ?? "no label"}`;
  input.value = "";
  list.replaceChildren();
  dialog.showModal();
  input.focus();
  try {
    await load();
    draw();
  } catch (error) {
    list.replaceChildren(make("li", { role: "option", className: "quiet", textContent: error.message }));
  }
}

export function start() {
  load().catch(() => {}); // loaded again when it is needed
  input.addEventListener("input", () => labels && draw());
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step) {
      event.preventDefault();
      const to = active()?.[step];
      if (to) activate(to);
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(active());
    }
  });
  list.addEventListener("click", (event) => take(event.target.closest("li")));
}
