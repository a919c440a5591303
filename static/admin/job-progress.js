// Updates the progress of open jobs, and reloads the page when a job changes its state.
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
      continue; // The server restarts or the network is down: try again.
    }
    if (job.state !== place.dataset.state) {
      // The rest of the page depends on the state. Rows chosen for an action must not get lost, though.
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
