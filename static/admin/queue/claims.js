// Claims keep the images of this page and of the next one off colleagues' pages for a while.
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
  // The release of a page just left may arrive after this page claimed the same images.
  setTimeout(renew, 3000);
}
