// Sends requests to the server. Throws Refused for an error it answers, Unreachable without answer.
export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export class Unreachable extends Error {}

function token() {
  // Read again each time, because signing in changes it.
  const found = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  return found ? decodeURIComponent(found[1]) : "";
}

export async function ask(address, body, options = {}) {
  const request = { headers: { Accept: "application/json" }, credentials: "same-origin", ...options };
  if (body !== undefined) {
    request.method = "POST";
    request.headers = { ...request.headers, "Content-Type": "application/json", "X-CSRFToken": token() };
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable("The server cannot be reached.");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    answer = null;
  }
  if (response.ok && answer) return answer;
  if (!answer && response.status === 403) {
    // The CSRF check answers with a page, not JSON: the cookies are gone.
    throw new Refused(403, "signed_out", "You are signed out. Sign in again in another tab.");
  }
  const { code = "failed", detail = `The server could not answer (${response.status}).` } = answer?.error ?? {};
  // An answer that is no JSON comes from a proxy, or is a refusal.
  const passing = !answer && (response.ok || [408, 425, 429].includes(response.status));
  throw new Refused(response.status, passing ? "passing" : code, detail);
}

// Returns whether sending the same again may help; it does not where the server refused.
export function mayPass(error) {
  if (error instanceof Unreachable) return true;
  return error.code === "signed_out" || error.code === "passing" || error.status >= 500;
}
