// Where photos come from: the two inputs, a drop anywhere on the page, the clipboard.
const LINK = "That was a link to a picture, not the picture. Save it first, or copy and paste it.";

// `add` is called with files, `showError` with a sentence where something else was dropped.
export function takePhotos(form, add, showError) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    if (!input.hasAttribute("capture")) input.multiple = true;
    input.addEventListener("change", () => {
      add(input.files);
      input.value = "";
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  takeDrops(form, add, showError);
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    add(files);
  });
}

// The whole page accepts a drop: outside the zone a browser would open the photo in place of the page,
// and the answers would be lost. What is dragged from this page itself is ignored.
function takeDrops(form, add, showError) {
  let own = false;
  let depth = 0;
  const carries = (event, kind) => !own && event.dataTransfer?.types.includes(kind);
  const wanted = (event) => carries(event, "Files") || carries(event, "text/uri-list");
  const highlight = (now) => {
    depth = Math.max(0, now);
    form.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragstart", () => { own = true; });
  document.addEventListener("dragend", () => { own = false; });
  document.addEventListener("dragenter", (event) => { if (wanted(event)) highlight(depth + 1); });
  document.addEventListener("dragleave", (event) => { if (wanted(event)) highlight(depth - 1); });
  document.addEventListener("dragover", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    highlight(0);
    if (!wanted(event)) return;
    event.preventDefault();
    const { files } = event.dataTransfer;
    if (files.length) add(files);
    else showError(LINK);
  });
}
