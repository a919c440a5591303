// Sends a form to an installation on another host, by the site's own code in post.js. Without a
// response it finds out why: a browser reports a lost connection and a CORS refusal alike.
import { ask as post, Problem } from "./post.js";

export { Problem };

const TIMEOUT_MS = 10_000;

async function reaches(address, mode) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await fetch(address, { mode, signal, cache: "no-store", credentials: "omit" });
    return true;
  } catch {
    return false;
  }
}

async function reason(address, problem) {
  const { host } = new URL(address);
  const known = new URL("../types/", address); // small and public
  if (!navigator.onLine) {
    return new Problem("You are offline. Connect, then try again.", { again: true });
  }
  if (await reaches(known, "cors")) return problem;
  // In this mode a response arrives whatever CORS allows, but cannot be read.
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
    // A problem with a code comes from the installation itself.
    if (!(problem instanceof Problem) || problem.code) throw problem;
    throw await reason(address, problem);
  }
}
