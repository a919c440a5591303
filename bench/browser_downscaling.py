"""Does a photo that the browser has reduced get the same answer as the whole photo?

    .venv/bin/python -m bench.browser_downscaling photos/ --count 200

Takes photographs in turns from each folder below `photos/`, enlarges them to about 12 megapixels in
their own proportions, adds the grain that a camera leaves, saves them as JPEG of quality 92, and
reduces each in Chromium with the page's own `shrink.js`. Both files then go through `predict` with
the model that comes with the project.

Small photographs that were enlarged have the pixels and bytes of a phone's photo, not its detail.
`--grain 0` adds no grain.
"""
# ruff: noqa: E402 - Django has to be set up before the module that knows what size is sent

import argparse
import itertools
import statistics
from pathlib import Path

import django

django.setup()

from django.conf import settings
from playwright.sync_api import Page

from bench import chromium
from bench.photographs import GRAIN, in_turns, phone_photo
from bench.timing import summary
from classifier.inference.classify import predict
from classifier.inference.model import Model
from classifier.views.recognise import SENT_TIMES

ADDRESS = "http://localhost"  # no request reaches it: the routes below answer
REDUCE = """async ([file, side]) => {
  const { shrink } = await import("/shrink.js");
  const small = await shrink(file, side);
  return [...new Uint8Array(await small.arrayBuffer())];
}"""


def main(folder: Path, count: int, grain: float, browser_path: str) -> None:
    """Reduce, ask, compare, print."""
    model = Model.load(settings.BASE_DIR / "classifier" / "starter")
    side = round(SENT_TIMES * model.preprocess.size)
    pairs, sizes = [], []
    with chromium.launched(browser_path) as browser:
        page = reducing_page(browser)
        for path in itertools.islice(in_turns(folder), count):
            whole = phone_photo(path, grain=grain)
            small = reduced(page, whole, side)
            pairs.append((path, predict(whole, model), predict(small, model)))
            sizes.append((len(whole), len(small)))
    before, after = (statistics.median(each) / 1000 for each in zip(*sizes, strict=True))
    print(f"{len(pairs)} photographs, reduced to {side} pixels; median {before:,.0f} kB before, "
          f"{after:.1f} kB after")  # fmt: skip
    print_share("top one", [one.top[0][0] == two.top[0][0] for _, one, two in pairs])
    print_share("verdict", [one.verdict == two.verdict for _, one, two in pairs])
    differences = [largest_difference(one, two) for _, one, two in pairs]
    print(f"largest difference of a confidence: {summary(differences, 4)}")
    for path, one, two in pairs:
        if one.top[0][0] != two.top[0][0]:
            print(f"  {path.relative_to(folder)}: {one.top[0]}, reduced {two.top[0]}")


def reducing_page(browser) -> Page:
    """Open a page that holds only a file input; the project's script lies beside it."""
    page = browser.new_page()
    script = settings.BASE_DIR / "static" / "site" / "shrink.js"
    page.route(
        f"{ADDRESS}/",
        lambda route: route.fulfill(body="<input type=file>", content_type="text/html"),
    )
    page.route(f"{ADDRESS}/shrink.js", lambda route: route.fulfill(path=script))
    page.goto(f"{ADDRESS}/")
    return page


def reduced(page: Page, data: bytes, side: int) -> bytes:
    """Return what the page would send in place of `data`, a JPEG."""
    page.set_input_files("input", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": data})
    file = page.evaluate_handle("document.querySelector('input').files[0]")
    return bytes(page.evaluate(REDUCE, [file, side]))


def print_share(fact: str, same: list[bool]) -> None:
    """Print how many pairs agree."""
    print(f"same {fact}: {sum(same)} of {len(same)}, {sum(same) / len(same):.1%}")


def largest_difference(one, two) -> float:
    """Return the largest difference of a confidence between two predictions, over all classes."""
    return max(abs(one.probabilities[slug] - two.probabilities[slug])
               for slug in one.probabilities)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs, searched in all its folders")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--grain", type=float, default=GRAIN, help="standard deviation, of 255")
    chromium.add_option(parser)
    options = parser.parse_args()
    main(options.folder, options.count, options.grain, options.chromium)
