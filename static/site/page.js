// Functions that the scripts of the recogniser's page share.
export const form = document.querySelector("[data-recogniser]");

export const cloneTemplate = (name) => document.getElementById(`template-${name}`).content.cloneNode(true);
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
export const fill = (pattern, facts) => pattern.replace(/\{(\w+)\}/g, (_, key) => facts[key]);

// Has a screen reader read the text out.
export function announce(text) {
  document.querySelector("[data-status]").textContent = text;
}

export function percent(confidence) {
  if (confidence < 0.005) return "<1%";
  return confidence < 0.995 ? `${Math.floor(confidence * 100 + 0.5)}%` : ">99%";
}

export function sentences(list, texts, tag = "li") {
  for (const text of texts) {
    const item = document.createElement(tag);
    item.textContent = text;
    list.append(item);
  }
}
