// Sends files in groups, one request after the other; a group that fails for now is sent again.
import { sum } from "./files.js";

const GROUP_FILES = 20;
const GROUP_BYTES = 16 * 1024 ** 2;
const PAUSES = [1000, 4000]; // milliseconds before a second and a third try

export class Failed extends Error {}

// Returns groups of a few files, so that a failure costs little and progress is visible.
export function groups(files, first) {
  const made = [];
  for (const item of files) {
    const last = made.at(-1);
    if (last && last.files.length < GROUP_FILES && sum(last.files) + item.file.size <= GROUP_BYTES) last.files.push(item);
    else made.push({ part: first + made.length, files: [item], sent: false });
  }
  return made;
}

// Sends the groups that are not sent yet, and calls `onProgress` with the bytes sent so far. Throws
// Failed with a sentence for the user, and AbortError when `signal` is aborted.
export async function send(groups, address, fields, signal, onProgress) {
  let done = groups.filter((group) => group.sent).reduce((bytes, group) => bytes + sum(group.files), 0);
  for (const group of groups) {
    if (group.sent) continue;
    await withRetries(() => once(group, address, fields, signal, (bytes) => onProgress(done + bytes)), signal);
    group.sent = true;
    done += sum(group.files);
    onProgress(done);
  }
}

async function withRetries(work, signal) {
  for (const pause of PAUSES) {
    try {
      return await work();
    } catch (error) {
      if (!error.passing) throw error;
      await new Promise((go) => setTimeout(go, pause));
      signal.throwIfAborted();
    }
  }
  return work();
}

function once(group, address, fields, signal, onProgress) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("part", group.part);
  form.append("names", JSON.stringify(group.files.map(({ name }) => name)));
  for (const { file } of group.files) form.append("files", file, file.name);
  return new Promise((done, failed) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    const end = (how, what) => {
      signal.removeEventListener("abort", stop);
      how(what);
    };
    request.upload.onprogress = (event) => onProgress(Math.min(event.loaded, sum(group.files)));
    request.onload = () => (request.status === 200 && request.response ? end(done, request.response) : end(failed, failure(request)));
    request.onerror = () => end(failed, passing("The server cannot be reached, or a file has changed since it was chosen."));
    request.onabort = () => end(failed, new DOMException("stopped", "AbortError"));
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.send(form);
  });
}

function failure(request) {
  if (request.response?.error) return new Failed(request.response.error);
  // An answer that is no JSON: the sign-in page, or one of a proxy.
  if (request.status === 200 || request.status === 403) return new Failed("You are signed out. Sign in again in another tab, then send again.");
  const words = `The server could not take a part of it (${request.status}).`;
  return request.status >= 500 || request.status === 429 ? passing(words) : new Failed(words);
}

function passing(words) {
  return Object.assign(new Failed(words), { passing: true });
}
