// The recogniser: photos chosen, dropped or pasted go to the API, one after another. Every photo gets
// a card of its own, newest first, and earlier ones stay. Texts come from the page (data-wording and
// its templates), addresses from the form's data attributes.
import { enableCopying } from "./copy.js";
import { offerFeedback } from "./feedback.js";
import { announce, cloneTemplate, fill, form, part, percent, sentences } from "./page.js";
import { ask, Problem } from "./send.js";
import { shrink } from "./shrink.js";
import { takePhotos } from "./take.js";
import { offerWhy } from "./why.js";

const answers = document.querySelector("[data-answers]");
const overview = document.querySelector("[data-overview]");
const wording = JSON.parse(form?.dataset.wording ?? "{}");

// --- words ------------------------------------------------------------------------------------

function wordingOf(answer) {
  const words = wording[answer.verdict];
  const threshold = Number(form.dataset.likely);
  let likely = answer.top.filter((entry) => entry.confidence >= threshold);
  if (answer.verdict === "category") {
    likely = likely.filter((entry) => entry.category === answer.category.slug);
  }
  const names = answer.type ? [answer.type.name] : likely.slice(0, 2).map((e) => e.name);
  const best = answer.type || answer.category;
  const facts = {
    first: names[0],
    second: names[1],
    category: answer.category?.name,
    percent: best && percent(best.confidence),
  };
  return {
    eyebrow: fill(words.eyebrow, facts),
    headline: fill(words.headlines[names.length], facts),
    advice: fill(words.advice, facts),
  };
}

// --- a card and what it shows -----------------------------------------------------------------

function show(card, body, kind) {
  const focused = card.contains(document.activeElement);
  card.className = `answer ${kind}`;
  card.setAttribute("aria-busy", String(kind === "waiting"));
  part(card, "body").replaceChildren(body);
  // The button that had the focus is gone with what was shown before.
  if (focused) {
    card.tabIndex = -1;
    card.focus({ preventScroll: true });
  }
}

function showAnswer(card, answer, photo, sent) {
  const body = cloneTemplate("answer");
  const words = wordingOf(answer);
  for (const [name, text] of Object.entries(words)) part(body, name).textContent = text;
  part(body, "top").append(...answer.top.map(row));
  if (answer.type) {
    for (const name of ["pros", "cons", "distinction"]) {
      const list = part(body, name);
      sentences(list, answer.type[name]);
      list.closest("section").hidden = answer.type[name].length === 0;
    }
    // With several photos each answer is short, and the rest is shown on demand.
    part(body, "reading").open = batch.length === 1;
  } else {
    part(body, "reading").remove();
  }
  const link = form.dataset.answer.replace("ID", answer.id);
  part(body, "link").href = link;
  part(body, "copy-link").dataset.copyLink = link;
  card.dataset.verdict = answer.verdict;
  card.dataset.answer = answer.id;
  show(card, body, "done");
  offerWhy(card, answer, sent);
  offerFeedback(card, answer, photo, sent);
  enableCopying(card);
  keepInView(card);
  const name = batch.length > 1 ? `${photo.name}: ` : "";
  announce(`${name}${words.headline}. ${words.advice}`);
}

function row(entry) {
  const item = cloneTemplate("row");
  const name = part(item, "name");
  name.textContent = entry.name;
  name.href = form.dataset.guide.replace("SLUG", entry.slug);
  const meter = part(item, "meter");
  meter.value = entry.confidence;
  meter.setAttribute("aria-label", `Confidence in ${entry.name}`);
  part(item, "percent").textContent = percent(entry.confidence);
  return item;
}

function showFailure(card, file, problem) {
  const body = cloneTemplate("failed");
  part(body, "detail").textContent = problem.message;
  part(body, "file").textContent = file?.name ?? "";
  const again = part(body, "again");
  if (problem.again) {
    again.addEventListener("click", () => enqueue(card, file));
  } else {
    again.remove();
  }
  part(body, "remove").addEventListener("click", () => remove(card, "Removed."));
  show(card, body, "failed");
  announce(`${file?.name ?? ""} This did not work. ${problem.message}`);
}

// An answer is taller than the progress before it. A visitor who has scrolled away stays there.
function keepInView(card) {
  const top = card.getBoundingClientRect().top;
  if (top >= 0 && top < window.innerHeight) card.scrollIntoView({ block: "nearest" });
}

function remove(card, message) {
  URL.revokeObjectURL(part(card, "photo").src);
  card.remove();
  announce(message);
  document.getElementById("gallery").focus({ preventScroll: true });
}

// --- several at once --------------------------------------------------------------------------

// Photos since the queue was last empty: {card, control, state: "waiting" | "done" | "failed"}.
let batch = [];

function countUp() {
  const waiting = batch.filter((job) => job.state === "waiting").length;
  const failed = batch.filter((job) => job.state === "failed").length;
  const done = batch.length - waiting - failed;
  overview.hidden = batch.length < 2;
  const failures = failed ? `, ${failed} did not work` : "";
  part(overview, "overview").textContent = `${done} of ${batch.length} photos answered${failures}`;
  part(overview, "overall").value = (done + failed) / Math.max(1, batch.length);
  for (const name of ["overall", "cancel-all"]) part(overview, name).hidden = waiting === 0;
}

function settle(job, state) {
  if (state === "cancelled") batch = batch.filter((other) => other !== job);
  else job.state = state;
  countUp();
}

function cancel(job) {
  job.control.abort();
  settle(job, "cancelled");
}

function cancelAll() {
  for (const job of batch.filter((other) => other.state === "waiting")) {
    cancel(job);
    remove(job.card, "The rest was cancelled.");
  }
}

// --- asking -----------------------------------------------------------------------------------

let queue = Promise.resolve();

function enqueue(card, file) {
  if (!batch.some((job) => job.state === "waiting")) batch = [];
  const job = { card, control: new AbortController(), state: "waiting" };
  batch.push(job);
  const body = cloneTemplate("busy");
  part(body, "doing").textContent = "Waiting for its turn …";
  part(body, "file").textContent = file.name;
  part(body, "cancel").addEventListener("click", () => {
    cancel(job);
    remove(card, "Cancelled.");
  });
  show(card, body, "waiting");
  countUp();
  queue = queue.then(() => recognise(job, file)).catch(console.error);
}

async function recognise(job, file) {
  const { card, control: { signal } } = job;
  if (signal.aborted) return;
  const doing = (text) => {
    part(card, "doing").textContent = text;
    announce(text);
  };
  // Once all is sent the duration is unknown.
  const progress = (share) => {
    const bar = part(card, "progress");
    if (share < 1) bar.value = share;
    else bar.removeAttribute("value");
  };
  doing("Looking at the photo …");
  try {
    const sent = await shrink(file, Number(form.dataset.side));
    if (sent.size > Number(form.dataset.maxBytes)) throw new Problem(form.dataset.tooLarge);
    const data = new FormData();
    data.append("image", sent, file.name);
    const answer = await ask(form.dataset.api, data, { signal, doing, progress });
    settle(job, "done");
    showAnswer(card, answer, file, sent);
  } catch (problem) {
    if (signal.aborted) return;
    settle(job, "failed");
    showFailure(card, file, problem);
    if (!(problem instanceof Problem)) throw problem;
  }
}

// --- photos come in ---------------------------------------------------------------------------

function newCard() {
  const card = cloneTemplate("card").firstElementChild;
  answers.prepend(card);
  form.classList.add("compact");
  return card;
}

function add(file) {
  const card = newCard();
  const photo = part(card, "photo");
  photo.alt = `Your photo ${file.name}`;
  photo.addEventListener("error", () => {
    card.dataset.preview = "none";
    photo.hidden = true;
    part(card, "caption").hidden = false;
  });
  photo.src = URL.createObjectURL(file);
  enqueue(card, file);
}

function addAll(files) {
  for (const file of files) add(file);
  answers.firstElementChild?.scrollIntoView({ block: "nearest" });
}

function addError(detail) {
  const card = newCard();
  card.dataset.preview = "none";
  showFailure(card, null, new Problem(detail));
}

if (form) {
  document.documentElement.classList.add("js");
  part(overview, "cancel-all").addEventListener("click", cancelAll);
  takePhotos(form, addAll, addError);
}
