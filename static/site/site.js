// The recogniser: photos chosen, dropped or pasted go to the API as they are, one after another.
// Every photo gets a card of its own, newest first, and nothing is cleared for the next one.
// Words come from the page (data-wording, the moulds), addresses from the form's data attributes.
(() => {
  "use strict";

  const form = document.querySelector("[data-recogniser]");
  if (!form) return;

  const RETRIES = 2;
  const MAX_WAIT_SECONDS = 10;
  const WORDING = JSON.parse(form.dataset.wording);
  const answers = document.querySelector("[data-answers]");
  const status = document.querySelector("[data-status]");
  document.documentElement.classList.add("js");

  const mould = (name) => document.getElementById(`mould-${name}`).content.cloneNode(true);
  const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
  const say = (text) => { status.textContent = text; };

  // --- words ----------------------------------------------------------------------------------

  function percent(confidence) {
    if (confidence < 0.005) return "<1%";
    return confidence < 0.995 ? `${Math.floor(confidence * 100 + 0.5)}%` : ">99%";
  }

  const fill = (pattern, facts) => pattern.replace(/\{(\w+)\}/g, (_, key) => facts[key]);

  function worded(answer) {
    const words = WORDING[answer.verdict];
    const floor = Number(form.dataset.likely);
    let likely = answer.top.filter((entry) => entry.confidence >= floor);
    if (answer.verdict === "category") {
      likely = likely.filter((entry) => entry.category === answer.category.slug);
    }
    const names = answer.type ? [answer.type.name] : likely.slice(0, 2).map((e) => e.name);
    const sure = answer.type || answer.category;
    const facts = {
      first: names[0],
      second: names[1],
      category: answer.category?.name,
      percent: sure && percent(sure.confidence),
    };
    return {
      eyebrow: fill(words.eyebrow, facts),
      headline: fill(words.headlines[names.length], facts),
      advice: fill(words.advice, facts),
    };
  }

  // --- a card and what it shows ---------------------------------------------------------------

  function show(card, body, kind) {
    card.className = `answer ${kind}`;
    card.setAttribute("aria-busy", String(kind === "waiting"));
    part(card, "body").replaceChildren(body);
  }

  function showAnswer(card, answer) {
    const body = mould("answer");
    const words = worded(answer);
    for (const [name, text] of Object.entries(words)) part(body, name).textContent = text;
    part(body, "top").append(...answer.top.map(row));
    if (answer.type) {
      for (const name of ["pros", "cons", "distinction"]) {
        const list = part(body, name);
        for (const sentence of answer.type[name]) {
          const item = document.createElement("li");
          item.textContent = sentence;
          list.append(item);
        }
        list.closest("section").hidden = answer.type[name].length === 0;
      }
    } else {
      part(body, "traits").remove();
    }
    card.dataset.verdict = answer.verdict;
    card.dataset.answer = answer.id;
    show(card, body, "done");
    keepInView(card);
    say(`${words.headline}. ${words.advice}`);
  }

  function row(entry) {
    const item = mould("row");
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
    const body = mould("failed");
    part(body, "detail").textContent = problem.detail;
    part(body, "file").textContent = file?.name ?? "";
    const again = part(body, "again");
    if (problem.again) again.addEventListener("click", () => enqueue(card, file));
    else again.remove();
    part(body, "remove").addEventListener("click", () => remove(card, "Removed."));
    show(card, body, "failed");
    say(`This did not work. ${problem.detail}`);
  }

  // An answer is taller than the wait for it. Who already looks elsewhere is left in peace.
  function keepInView(card) {
    const top = card.getBoundingClientRect().top;
    if (top >= 0 && top < window.innerHeight) card.scrollIntoView({ block: "nearest" });
  }

  function remove(card, said) {
    URL.revokeObjectURL(part(card, "photo").src);
    card.remove();
    say(said);
    document.getElementById("gallery").focus({ preventScroll: true });
  }

  // --- asking ---------------------------------------------------------------------------------

  const sleep = (seconds, signal) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });

  const retryAfter = (response) => {
    const seconds = Number(response.headers.get("Retry-After"));
    return Math.min(Math.max(seconds || 1, 1), MAX_WAIT_SECONDS);
  };

  async function problemOf(response) {
    const problem = await response.json().catch(() => ({}));
    const detail = problem.detail
      || `The site answered with an error (${response.status}); try again in a minute.`;
    return { code: problem.code, detail, again: response.status >= 500 };
  }

  // Resolves to {answer} or {problem}; rejects with an AbortError when cancelled.
  async function ask(file, signal, doing) {
    for (let attempt = 1; ; attempt += 1) {
      const data = new FormData();
      data.append("image", file);
      let response;
      try {
        response = await fetch(form.dataset.api, {
          method: "POST", body: data, signal, headers: { Accept: "application/json" },
        });
        if (response.ok) return { answer: await response.json() };
      } catch (error) {
        if (signal.aborted) throw error;
        const detail = "The photo could not be sent: the site does not answer. "
          + "Check your connection and try again.";
        return { problem: { detail, again: true } };
      }
      const problem = await problemOf(response);
      if (response.status !== 503 || problem.code === "no_model" || attempt > RETRIES) {
        return { problem };
      }
      const seconds = retryAfter(response);
      doing(`Many photos at once just now. Trying again in ${seconds} s …`);
      await sleep(seconds, signal);
      doing(`Trying again (${attempt} of ${RETRIES}) …`);
    }
  }

  async function recognise(card, file, control) {
    if (control.signal.aborted) return;
    const doing = (text) => {
      const line = part(card, "doing");
      line.textContent = text;
      say(text);
    };
    doing("Looking at the photo …");
    try {
      const { answer, problem } = await ask(file, control.signal, doing);
      if (answer) showAnswer(card, answer);
      else showFailure(card, file, problem);
    } catch (error) {
      if (!control.signal.aborted) throw error;
    }
  }

  let queue = Promise.resolve();

  function enqueue(card, file) {
    const control = new AbortController();
    const body = mould("busy");
    part(body, "doing").textContent = "Waiting for its turn …";
    part(body, "cancel").addEventListener("click", () => {
      control.abort();
      remove(card, "Cancelled.");
    });
    show(card, body, "waiting");
    queue = queue.then(() => recognise(card, file, control)).catch(console.error);
  }

  function newCard() {
    const card = mould("card").firstElementChild;
    answers.prepend(card);
    form.classList.add("compact");
    return card;
  }

  function add(file) {
    const card = newCard();
    const photo = part(card, "photo");
    photo.alt = "Your photo";
    photo.addEventListener("error", () => {
      card.dataset.preview = "none";
      photo.hidden = true;
      part(card, "caption").hidden = false;
    });
    photo.src = URL.createObjectURL(file);
    if (file.size > Number(form.dataset.maxBytes)) {
      showFailure(card, file, { detail: form.dataset.tooLarge, again: false });
    } else {
      enqueue(card, file);
    }
  }

  function addNote(detail) {
    const card = newCard();
    card.dataset.preview = "none";
    showFailure(card, null, { detail, again: false });
  }

  function addAll(files) {
    for (const file of files) add(file);
    answers.firstElementChild?.scrollIntoView({ block: "nearest" });
  }

  // --- where photos come from -----------------------------------------------------------------

  for (const input of form.querySelectorAll("input[type=file]")) {
    if (!input.hasAttribute("capture")) input.multiple = true;
    input.addEventListener("change", () => {
      addAll(input.files);
      input.value = "";
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());

  // The whole page takes a drop: beside the zone a browser would leave the page for the photo, and
  // the answers would be gone. What is dragged from this page itself is none of our business.
  let own = false;
  let depth = 0;
  const carries = (event, kind) => !own && event.dataTransfer?.types.includes(kind);
  const wanted = (event) => carries(event, "Files") || carries(event, "text/uri-list");
  const light = (now) => {
    depth = Math.max(0, now);
    form.classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragstart", () => { own = true; });
  document.addEventListener("dragend", () => { own = false; });
  document.addEventListener("dragenter", (event) => { if (wanted(event)) light(depth + 1); });
  document.addEventListener("dragleave", (event) => { if (wanted(event)) light(depth - 1); });
  document.addEventListener("dragover", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    light(0);
    if (!wanted(event)) return;
    event.preventDefault();
    const { files } = event.dataTransfer;
    if (files.length) addAll(files);
    else addNote("That was a link to a picture, not the picture. Save it first, or copy and paste it.");
  });
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    addAll(files);
  });
})();
