// Asks an installation on another host. How it is asked is the site's own way, in post.js; here it
// is told why nothing came back, for a browser gives one answer to a lost line and to a refusal.
import { ask as post, Problem } from "./post.js";

export { Problem };

const PATIENCE_MS = 10_000;

async function reaches(address, mode) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    await fetch(address, { mode, signal, cache: "no-store", credentials: "omit" });
    return true;
  } catch {
    return false;
  }
}

async function reason(address, problem) {
  const { host } = new URL(address);
  const known = new URL("../types/", address); // small, and for everybody
  if (!navigator.onLine) {
    return new Problem("You are offline. Connect, then try again.", { again: true });
  }
  if (await reaches(known, "cors")) return problem;
  // Without the wish to read it, an answer comes through whoever may read it.
  if (await reaches(known, "no-cors")) {
    return new Problem(`${host} answers, but does not allow this page to ask it. Whoever runs it can `
      + `add ${location.origin} to its CORS_ORIGINS.`);
  }
  return new Problem(`${host} does not answer. Check your connection and try again.`, { again: true });
}

export async function ask(address, data, options) {
  try {
    return await post(address, data, options);
  } catch (problem) {
    // What has a code was worded by the installation itself.
    if (!(problem instanceof Problem) || problem.code) throw problem;
    throw await reason(address, problem);
  }
}
