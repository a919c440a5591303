// Keeps the progress of open jobs up to date, and shows the finished page once a job is over.
const EVERY = 2000;

async function follow(place) {
  const bar = place.querySelector("progress");
  const text = place.querySelector(".job-text");
  while (place.dataset.address) {
    await new Promise((go) => setTimeout(go, EVERY));
    if (document.hidden) continue;
    let job;
    try {
      const response = await fetch(place.dataset.address, { headers: { Accept: "application/json" } });
      if (!response.ok) return;
      job = await response.json();
    } catch {
      continue; // The server restarts, or the network is away: ask again.
    }
    if (job.state !== place.dataset.state) {
      // Other parts of the page depend on the state; a half-filled action form must survive, though.
      if (!document.querySelector(".action-select:checked")) location.reload();
      return;
    }
    bar.value = job.percent ?? 0;
    text.textContent = job.text;
    place.dispatchEvent(new CustomEvent("job-progress", { bubbles: true, detail: job }));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".job-progress").forEach(follow);
});
