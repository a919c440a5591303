// Sends a form to the API: with progress, with retries after a dropped connection and while the
// site is busy, and with a sentence for every failure.
const RETRIES = 3;
const FIRST_PAUSE_SECONDS = 0.5; // after a dropped connection; twice as long each time
const MOST_SECONDS = 60; // of Retry-After; a longer wait is left to the visitor
const SILENCE_SECONDS = 120;

const UNREACHABLE = "The site does not answer. Check your connection and try again.";

export class Problem extends Error {
  // `again`: whether the same may work later.
  constructor(detail, { code = "", again = false } = {}) {
    super(detail);
    this.code = code;
    this.again = again;
  }
}

const aborted = () => new DOMException("Cancelled", "AbortError");

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(aborted()); });
  });
}

// One try. Resolves to {status, body, retryAfter}, to null where the connection dropped.
// XMLHttpRequest, because fetch does not tell how much of a body has left.
function post(address, data, { signal, progress, headers }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) { reject(aborted()); return; }
    const request = new XMLHttpRequest();
    // A slow connection may take as long as it needs; one without any progress is given up.
    let timer;
    const restartTimer = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), SILENCE_SECONDS * 1000);
    };
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(headers ?? {})) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      restartTimer();
      if (event.lengthComputable && event.total) progress?.(event.loaded / event.total);
    };
    request.onload = () => {
      let body = {};
      try { body = JSON.parse(request.responseText); } catch { /* the status says it */ }
      const seconds = Number(request.getResponseHeader("Retry-After"));
      resolve({ status: request.status, body, retryAfter: Math.max(1, seconds || 1) });
    };
    request.onerror = () => resolve(null);
    request.onabort = () => (signal?.aborted ? reject(aborted()) : resolve(null));
    request.onloadend = () => clearTimeout(timer);
    signal?.addEventListener("abort", () => request.abort());
    restartTimer();
    request.send(data);
  });
}

function pauseAfter(answer, attempt) {
  if (attempt > RETRIES) return null;
  if (!answer) return FIRST_PAUSE_SECONDS * 2 ** (attempt - 1);
  const busy = answer.status === 429 || (answer.status === 503 && answer.body.code !== "no_model");
  return busy && answer.retryAfter <= MOST_SECONDS ? answer.retryAfter : null;
}

// Resolves to the body of a good answer. Throws `Problem`, or an AbortError when cancelled.
// `doing` is called with a sentence about the wait, `progress` with the share sent (0 to 1).
export async function ask(address, data, { signal, doing, progress, headers } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await post(address, data, { signal, progress, headers });
    if (answer && answer.status >= 200 && answer.status < 300) return answer.body;
    const pause = pauseAfter(answer, attempt);
    if (pause === null) {
      if (!answer) throw new Problem(UNREACHABLE, { again: true });
      const { status, body } = answer;
      const detail = body.detail
        || `The site answered with an error (${status}); try again in a minute.`;
      throw new Problem(detail, { code: body.code, again: status >= 500 || status === 429 });
    }
    doing?.(answer
      ? `Many photos at once just now. Trying again in ${pause} s …`
      : "The connection dropped. Trying again …");
    await sleep(pause, signal);
    doing?.(`Trying again (${attempt} of ${RETRIES}) …`);
  }
}
