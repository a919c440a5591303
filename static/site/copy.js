// Buttons that copy: a text (data-copy), or an address of this site in full (data-copy-link).
import { announce } from "./page.js";

async function copy(button) {
  const { copy: text, copyLink: link, copied } = button.dataset;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text ?? new URL(link, location).href);
    announce(copied);
    button.textContent = "Copied";
  } catch {
    announce("The browser does not allow copying.");
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

// Where the browser offers no clipboard, as on addresses without TLS, the buttons stay hidden.
export function enableCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy], [data-copy-link]")) {
    if (!button.hidden) continue;
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

enableCopying(document);
