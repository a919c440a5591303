// On the form: a button that ticks all types. On a collection's page: updates the counts of its
// results whenever its progress is updated.
function showCounts(rows, table) {
  table.replaceChildren(
    ...rows.map(([words, number]) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      const value = document.createElement("td");
      name.textContent = words;
      value.textContent = number;
      row.append(name, value);
      return row;
    }),
  );
}

function addButton(types) {
  const button = document.createElement("button");
  const boxes = [...types.querySelectorAll("input")];
  const all = () => boxes.every((box) => box.checked);
  const name = () => (button.textContent = all() ? "Choose none" : "Choose all");
  button.type = "button";
  button.className = "collect-all";
  button.addEventListener("click", () => {
    const checked = !all();
    boxes.forEach((box) => (box.checked = checked));
    name();
  });
  types.addEventListener("change", name);
  types.querySelector("h2").after(button);
  name();
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-types]").forEach(addButton);
  const table = document.querySelector("[data-job-rows]");
  if (table) {
    document.addEventListener("job-progress", (event) => {
      if (event.detail.rows) showCounts(event.detail.rows, table);
    });
  }
});
