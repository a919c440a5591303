// “Was this right?”: sends feedback to the API, with the photo only if its box is ticked.
import { enableCopying } from "./copy.js";
import { announce, cloneTemplate, form as recogniser, part } from "./page.js";
import { ask, Problem } from "./send.js";

const OPEN = ["category", "unsure"];
const NO_SUCH_TYPE = "No type is called that: choose one from the list, or leave it empty.";

// `photo`: the file as it was chosen; `sent`: the copy that was recognised, for a file too large.
export function offerFeedback(card, answer, photo, sent) {
  const form = part(card, "feedback");
  part(form, "which").parentElement.classList.toggle("open", OPEN.includes(answer.verdict));
  // The same for every try, so that feedback whose response was lost counts once.
  const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = part(form, "send");
    if (button.getAttribute("aria-disabled") === "true") return;
    const label = button.textContent;
    const progress = (share) => { button.textContent = `Sending … ${Math.round(100 * share)}%`; };
    showProblem(form, "");
    button.setAttribute("aria-disabled", "true");
    button.textContent = "Sending …";
    try {
      const data = feedbackData(form, answer, photo, sent);
      const headers = { "Idempotency-Key": `${key}-${fingerprint(data)}` };
      const given = await ask(recogniser.dataset.feedback, data, { headers, progress, doing: announce });
      showThanks(form, given);
    } catch (problem) {
      showProblem(form, problem.message);
      if (!(problem instanceof Problem)) console.error(problem);
    } finally {
      button.removeAttribute("aria-disabled");
      button.textContent = label;
    }
  });
}

function feedbackData(form, answer, photo, sent) {
  const right = form.elements.right.value;
  const data = new FormData();
  data.append("id", answer.id);
  data.append("right", right === "yes");
  // After "yes" to a type the form asks for none; one that was typed before does not count.
  if (right === "no" || OPEN.includes(answer.verdict)) {
    data.append("type", slugOf(part(form, "type").value));
  }
  if (part(form, "consent").checked) {
    const small = photo.size <= Number(recogniser.dataset.maxBytes);
    data.append("consent", true);
    data.append("image", small ? photo : sent, "photo");
  }
  return data;
}

// Part of the key: the API refuses other feedback under a key that it has seen.
const fingerprint = (data) => [data.get("right"), data.get("type") ?? "", data.get("consent") ?? ""].join("-");

// The slug of a type's name, or of the only name that holds what was typed.
function slugOf(typed) {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return "";
  const options = [...document.querySelectorAll("#type-names option")];
  const exact = options.find((option) => option.value.toLowerCase() === wanted);
  const like = options.filter((option) => option.value.toLowerCase().includes(wanted));
  if (!exact && like.length !== 1) throw new Problem(NO_SUCH_TYPE);
  return (exact ?? like[0]).dataset.slug;
}

function showProblem(form, text) {
  const line = part(form, "problem");
  line.textContent = text;
  line.hidden = !text;
}

function showThanks(form, given) {
  const thanks = cloneTemplate("thanks").firstElementChild;
  if (given.photo !== "known") part(thanks, "known").remove();
  if (given.code) {
    part(thanks, "code").textContent = given.code;
    part(thanks, "copy-code").dataset.copy = given.code;
    enableCopying(thanks);
  } else {
    part(thanks, "given").remove();
  }
  form.replaceWith(thanks);
  thanks.focus();
}
