// “Why this answer?”: sends the same photo once more and asks for an explanation.
import { announce, cloneTemplate, fill, form, part, percent, sentences } from "./page.js";
import { ask } from "./send.js";

const SHADE = 0.82; // opacity over places that do not count
const MAP_SIDE = 240; // pixels of the longer side that the map is drawn with

export function offerWhy(card, answer, photo) {
  const details = part(card, "why");
  let requested = false;
  details.addEventListener("toggle", () => {
    if (!details.open || requested) return;
    requested = true;
    explain(card, answer, photo);
  });
}

async function explain(card, answer, photo) {
  const reason = part(card, "reason");
  const busy = cloneTemplate("busy");
  const doing = (text) => { part(reason, "doing").textContent = text; };
  part(busy, "cancel").remove();
  part(busy, "doing").textContent = "Looking at the photo once more …";
  put(card, busy);
  const data = new FormData();
  data.append("image", photo, "photo");
  try {
    const { explain: explanation } = await ask(`${form.dataset.api}?explain=1`, data, { doing });
    const body = cloneTemplate("explained");
    show(body, card, answer, explanation);
    put(card, body);
    announce(`Explained. ${part(reason, "where")?.textContent ?? ""}`);
  } catch (problem) {
    const failed = cloneTemplate("why-failed");
    part(failed, "detail").textContent = problem.message;
    part(failed, "again").addEventListener("click", () => explain(card, answer, photo));
    put(card, failed);
    announce(problem.message);
    if (problem.name !== "Error") console.error(problem);
  }
}

// Replaces what is shown; if that had the focus, the heading above gets it.
function put(card, body) {
  const reason = part(card, "reason");
  const focused = reason.contains(document.activeElement);
  reason.replaceChildren(body);
  if (focused) part(card, "why").querySelector("summary").focus({ preventScroll: true });
}

function show(body, card, answer, explanation) {
  const refused = answer.verdict === "not_a_shoe";
  const about = answer.top[0]?.name ?? "";
  if (explanation.map) showMap(body, card, explanation.map, refused, about);
  else part(body, "seen").remove();
  if (explanation.runner_up) showSecond(body, answer, explanation.runner_up);
  else part(body, "second").remove();
  if (explanation.trust?.sentence) {
    part(body, "about").textContent = about;
    part(body, "sentence").textContent = explanation.trust.sentence;
  } else {
    part(body, "trust").remove();
  }
  if (refused) part(body, "nearest").remove();
  else showNearest(part(body, "nearest"), explanation.nearest);
}

// --- the map over the photo -------------------------------------------------------------------

function showMap(body, card, map, refused, about) {
  const line = part(body, "where");
  const pattern = refused ? line.dataset.noShoe : line.dataset.shoe;
  line.textContent = fill(pattern, { about, where: map.where });
  const photo = part(body, "map-photo");
  const canvas = part(body, "canvas");
  const figure = part(body, "map");
  canvas.setAttribute("aria-label", line.textContent);
  photo.addEventListener("load", () => drawMap(canvas, photo, map));
  photo.addEventListener("error", () => figure.remove());
  photo.src = part(card, "photo").src;
}

// Shades the whole photo, less where a place counts more. What was cut off is shaded fully.
function drawMap(canvas, photo, { rows, box }) {
  const scale = MAP_SIDE / Math.max(photo.naturalWidth, photo.naturalHeight);
  canvas.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  const cells = Object.assign(document.createElement("canvas"), {
    width: rows[0].length, height: rows.length,
  });
  const pixels = new ImageData(cells.width, cells.height);
  rows.flat().forEach((value, i) => { pixels.data[4 * i + 3] = 255 * SHADE * (1 - value); });
  cells.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  const [left, top, right, bottom] = box;
  const at = [left * canvas.width, top * canvas.height,
    (right - left) * canvas.width, (bottom - top) * canvas.height];
  context.fillStyle = `rgb(0 0 0 / ${SHADE})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(...at);
  context.imageSmoothingQuality = "high";
  context.drawImage(cells, ...at);
}

// --- the runner-up and photographs ------------------------------------------------------------

function showSecond(body, answer, second) {
  part(body, "second-name").textContent = second.name;
  part(body, "second-percent").textContent = percent(second.confidence);
  const names = Object.fromEntries(answer.top.map((entry) => [entry.slug, entry.name]));
  const list = part(body, "apart");
  for (const slug of new Set(second.about)) {
    const group = document.createElement("div");
    sentences(group, [names[slug] ?? ""], "dt");
    sentences(group, second.differs.filter((_, i) => second.about[i] === slug), "dd");
    list.append(group);
  }
}

function showNearest(section, nearest) {
  for (const line of section.querySelectorAll("[data-when]")) {
    line.hidden = line.dataset.when !== nearest.state;
  }
  part(section, "examples").append(...nearest.photos.map(example));
}

function example(photo) {
  const item = cloneTemplate("example");
  const picture = part(item, "picture");
  picture.alt = photo.title ? `${photo.name}: ${photo.title}` : photo.name;
  picture.src = photo.url;
  part(item, "title").textContent = photo.title;
  part(item, "licence").textContent = photo.licence;
  const source = part(item, "source");
  if (photo.page_url) {
    source.href = photo.page_url;
    part(source, "source-of").textContent = ` of ${photo.title || photo.name}`;
  } else {
    source.remove();
  }
  return item;
}
