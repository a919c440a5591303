// Makes a link to a type open its entry in the guide below, even if a search has hidden it.
const search = document.getElementById("q");

function show(hash) {
  const entry = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!(entry instanceof HTMLDetailsElement)) return;
  if (entry.hidden) {
    search.value = "";
    search.dispatchEvent(new Event("input"));
  }
  entry.open = true;
  entry.scrollIntoView({ block: "start" });
  entry.querySelector("summary").focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  // After the browser's own jump, which does not happen again for the same address.
  setTimeout(() => show(link.hash));
});
window.addEventListener("popstate", () => show(location.hash));
show(location.hash);
