// Filters the types while the visitor types, by the server's text and rule: every word must match.
const form = document.querySelector("[data-search]");

if (form) {
  const input = form.querySelector("input");
  const status = form.querySelector("[data-found]");
  const none = document.querySelector("[data-none]");
  const entries = [...document.querySelectorAll("[data-text]")];
  const families = [...document.querySelectorAll("[data-family]")];
  const total = Number(status.dataset.total);

  const find = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const entry of entries) {
      const matches = words.every((word) => ` ${entry.dataset.text}`.includes(` ${word}`));
      entry.hidden = !matches;
      found += Number(matches);
    }
    for (const family of families) {
      family.hidden = !family.querySelector("[data-text]:not([hidden])");
    }
    none.hidden = found > 0;
    status.textContent = words.length ? `${found} of ${total} types` : "";
    const address = new URL(location);
    if (words.length) address.searchParams.set("q", words.join(" "));
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
  };

  // A page that the server has filtered lacks the other types: then the form is sent.
  if (entries.length === total) {
    form.classList.add("live");
    input.addEventListener("input", find);
    form.addEventListener("submit", (event) => { event.preventDefault(); find(); });
    if (input.value) find(); // kept by the browser on the way back
  }
}
