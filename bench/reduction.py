"""Does a photo that the browser made smaller get the answer that the photo itself would get?

    .venv/bin/python -m bench.reduction photos/ --count 200

Takes photographs in turns from each folder below `photos/`, enlarges them to about 12 megapixels in
their own proportions, adds the grain that a camera leaves, saves them as JPEG of quality 92, and
has a real Chromium reduce each with the page's own `shrink.js`. Both files then go through
`predict` with the model that comes with the project.

Where the photographs are small, those enlarged have the size of a phone's photo and its bytes, not
its detail: both files hold all that was there to begin with. `--grain 0` leaves the grain out.
"""
# ruff: noqa: E402 - Django has to be set up before the module that knows what size is sent

import argparse
import itertools
import os
import shutil
import statistics
from collections.abc import Iterable
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from django.conf import settings
from playwright.sync_api import Page, sync_playwright

from bench.photographs import GRAIN, evenly, from_a_phone
from classifier.inference.classify import Model, predict
from classifier.views.recognise import SENT_TIMES
from tests.browsing import ARGUMENTS

ADDRESS = "http://localhost"  # nothing is asked of it: the routes below answer
REDUCE = """async ([file, side]) => {
  const { shrink } = await import("/shrink.js");
  const small = await shrink(file, side);
  return [...new Uint8Array(await small.arrayBuffer())];
}"""


def main(folder: Path, count: int, grain: float, chromium: str) -> None:
    """Reduce, ask, compare, print."""
    model = Model.load(settings.BASE_DIR / "classifier" / "starter")
    side = round(SENT_TIMES * model.preprocess.size)
    pairs, sizes = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = reducing_page(browser)
        for path in itertools.islice(evenly(folder), count):
            whole = from_a_phone(path, grain=grain)
            small = sent_by(page, whole, side)
            pairs.append((path, predict(whole, model), predict(small, model)))
            sizes.append((len(whole), len(small)))
        browser.close()
    before, after = (statistics.median(each) / 1000 for each in zip(*sizes, strict=True))
    print(f"{len(pairs)} photographs, reduced to {side} pixels; median {before:,.0f} kB before, "
          f"{after:.1f} kB after")  # fmt: skip
    share("same top one", [ours.top[0][0] == theirs.top[0][0] for _, ours, theirs in pairs])
    share("same verdict", [ours.verdict == theirs.verdict for _, ours, theirs in pairs])
    differences = [largest_difference(ours, theirs) for _, ours, theirs in pairs]
    print(f"largest difference of a confidence: median {statistics.median(differences):.4f}, "
          f"most {max(differences):.4f}")  # fmt: skip
    for path, ours, theirs in pairs:
        if ours.top[0][0] != theirs.top[0][0]:
            print(f"  {path.relative_to(folder)}: {ours.top[0]}, reduced {theirs.top[0]}")


def reducing_page(browser) -> Page:
    """A page with nothing but a place for a file, and the project's script beside it."""
    page = browser.new_page()
    script = settings.BASE_DIR / "static" / "site" / "shrink.js"
    page.route(
        f"{ADDRESS}/",
        lambda route: route.fulfill(body="<input type=file>", content_type="text/html"),
    )
    page.route(f"{ADDRESS}/shrink.js", lambda route: route.fulfill(path=script))
    page.goto(f"{ADDRESS}/")
    return page


def sent_by(page: Page, data: bytes, side: int) -> bytes:
    """What the page would send instead of `data`, a JPEG."""
    page.set_input_files("input", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": data})
    file = page.evaluate_handle("document.querySelector('input').files[0]")
    return bytes(page.evaluate(REDUCE, [file, side]))


def share(words: str, same: Iterable[bool]) -> None:
    """Print how many of them are true."""
    same = list(same)
    print(f"{words}: {sum(same)} of {len(same)}, {sum(same) / len(same):.1%}")


def largest_difference(ours, theirs) -> float:
    """Between two predictions' confidences, over all classes."""
    return max(abs(ours.probabilities[slug] - theirs.probabilities[slug])
               for slug in ours.probabilities)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs, searched in all its folders")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--grain", type=float, default=GRAIN, help="standard deviation, of 255")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", shutil.which("chromium")))
    options = parser.parse_args()
    main(options.folder, options.count, options.grain, options.chromium)
