// What is on this page and on the one after it is left out of colleagues' pages for a while.
import { ask } from "./api.js";
import * as grid from "./grid.js";
import { claimSeconds, mayDecide, urls, view } from "./view.js";

export function held() {
  return grid.openOnes().concat(view.ahead ?? []);
}

export function release(ids) {
  if (mayDecide && ids.length) {
    return ask(urls.release, { images: ids }, { keepalive: true }).catch(() => {});
  }
  return null;
}

export function renew() {
  if (mayDecide && !document.hidden && held().length) {
    ask(urls.renew, { images: held() }).catch(() => {});
  }
}

export function start() {
  addEventListener("pagehide", () => release(held()));
  setInterval(renew, 400 * claimSeconds);
  // What a page that was just left gives back may arrive after this one asked for the same.
  setTimeout(renew, 3000);
}
