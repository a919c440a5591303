"""Does every page fit and pass axe at three widths, light and dark?

    .venv/bin/python -m bench.screens --out FOLDER --photos FOLDER [--only guide]

Makes a scratch installation: the types, the starter model, some of the photographs (`--photos`:
FOLDER/…/<type's slug>/….jpg) imported, confirmed and assessed, an administrator. Every page of
`bench.screen_pages` is opened in Chromium at 320, 768 and 1280 pixels, saved as
FOLDER/<page>-<width>-<theme>.png, and checked: by axe, for anything that is wider than the window,
for requests to other hosts, for errors of scripts. Prints a table of the findings; the exit status
is 1 if there are any. Without photographs it uses drawings, and reports the verdicts that none of
them gets, whose pages are left out.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import io
import logging
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import django

from bench import chromium
from bench.scratch_installation import install, make_scratch

LICENCE = "as their own list says"  # of the photographs imported here, which answers may show

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--photos", type=Path, help="photographs, in a folder for each type")
    parser.add_argument("--only", default="", help="pages whose names have this in them")
    chromium.add_option(parser)
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("screens", MODEL_POLL_SECONDS="0", EXPLAIN_LICENCES=LICENCE)

django.setup()

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from bench import drawn_pictures, screen_pages, servers
from bench.photographs import in_turns
from classifier.access import tokens
from classifier.answers import answer
from curation.decisions import decide
from curation.models import ShoeImage, ShoeType
from tests.browsing import Visit

TOUCH = {"is_mobile": True, "has_touch": True}
WIDTHS = {320: (640, TOUCH), 768: (1024, TOUCH), 1280: (800, {})}
THEMES = ("light", "dark")
# What Swagger UI and Django's admin draw themselves: its findings are printed but do not count.
THIRD_PARTY = "#swagger-ui, .inline-group, .vDateField, .vTimeField"
THIRD_PARTY_FINDING = "not ours, axe"
VERDICTS = ("type", "category", "unsure", "not_a_shoe")
MOST_PHOTOS = 300  # that are recognised, until each verdict has one
TYPES, PHOTOS_OF_TYPE = 6, 9  # that are imported
# Returns the outermost element that is wider than the window. Zooming out does not count.
FIND_WIDER = """(width) => {
  if (document.documentElement.scrollWidth <= width) return "";
  const out = [...document.body.querySelectorAll("*")]
    .find((element) => element.getBoundingClientRect().right > width + 1);
  return `${document.documentElement.scrollWidth} px: ${out?.outerHTML.slice(0, 120) ?? "?"}`;
}"""

# Changing the theme starts transitions of colours.
FINISH_TRANSITIONS = """() => document.getAnimations()
  .forEach((each) => each instanceof CSSTransition && each.finish())"""

HIDE = """(all) => document.querySelectorAll(all)
  .forEach((each) => each.style.setProperty("display", "none", "important"))"""
SHOW = """(all) => document.querySelectorAll(all)
  .forEach((each) => each.style.removeProperty("display"))"""


@dataclass
class Site(Visit):
    """A browser window that opens pages, with photographs for each verdict, and spare ones."""

    browser: object
    address: str
    photos: dict[str, Path]
    spare: Iterator[Path]
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__(self.browser, self.address, **self.options)


def main(out: Path, folder: Path | None, only: str, browser_path: str, scratch: Path) -> int:
    """Install, check, print; the exit status is 1 if there are findings."""
    out.mkdir(parents=True, exist_ok=True)
    # No broker is running, jobs wait, and pages of errors are checked too: that is no news.
    logging.disable(logging.WARNING)
    photos = photographs(folder, scratch)
    with redirect_stdout(io.StringIO()):
        install()
        User.objects.create_superuser("admin")
        recognised = by_verdict(photos)
        fill(folder, scratch, recognised)
    for verdict in set(VERDICTS) - set(recognised):
        print(f"None of the photographs gets the verdict “{verdict}”: its page is left out.")
    spare = (path for path in photos if path not in recognised.values())
    pages = {name: opener for name, opener in screen_pages.all_pages(recognised).items()
             if re.search(only, name)}  # fmt: skip
    checked = {}
    with servers.in_this_process() as address, chromium.launched(browser_path) as browser:
        for name, opener in pages.items():
            for width in WIDTHS:
                checked |= check(browser, address, name, opener, width, out, recognised, spare)
    return report(pages, checked)


def photographs(folder: Path | None, scratch: Path) -> list[Path]:
    """Return the photographs of `folder` in turns from its folders, or drawings without one."""
    if folder:
        return list(in_turns(folder))
    drawings = scratch / "drawings"
    drawings.mkdir()
    for number in range(40):
        (drawings / f"{number}.jpg").write_bytes(drawn_pictures.draw(number)[0])
    return sorted(drawings.iterdir())


def by_verdict(photos: list[Path]) -> dict[str, Path]:
    """Return for each verdict the first photograph that gets it."""
    photo_of = {}
    for path in photos[:MOST_PHOTOS]:
        photo_of.setdefault(answer.recognise(path.read_bytes())["verdict"], path)
        if len(photo_of) == len(VERDICTS):
            break
    return photo_of


def fill(folder: Path | None, scratch: Path, recognised: dict[str, Path]) -> None:
    """Make what an installation in use holds.

    Images confirmed and not, rejected ones, findings, snapshots, an evaluation, jobs, a token.
    """
    admin = User.objects.get()
    if folder:
        import_photos(folder, scratch / "import", recognised)
        images = list(ShoeImage.objects.order_by("pk"))
        decide.decide("reject", images[::20], admin, note="not the shoe alone")
        rest = [image for at, image in enumerate(images) if at % 4 and at % 20]
        decide.decide("confirm", rest, admin)
        call_command("assess", wait=True)
        call_command("snapshot", "spring")
        call_command("snapshot", "summer", confirmed=True)
        call_command("evaluate", "active", snapshot="spring")
        call_command("train", snapshot="spring")
        call_command("collect", "loafers", count=5)
    tokens.make(admin, "A shop's own page", ["feedback"], tokens.default_end())


def import_photos(folder: Path, to: Path, recognised: dict[str, Path]) -> None:
    """Import photographs of some types, among them that of the answer with a type."""
    slugs = set(ShoeType.objects.filter(kind="type").values_list("slug", flat=True))
    folders = sorted(p for p in folder.rglob("*") if p.is_dir() and p.name in slugs)
    if "type" in recognised:
        likeliest = answer.recognise(recognised["type"].read_bytes())["type"]["slug"]
        folders.sort(key=lambda path: path.name != likeliest)
    for kind in folders[:TYPES]:
        (to / kind.name).mkdir(parents=True)
        others = (path for path in sorted(kind.glob("*.jpg")) if path not in recognised.values())
        for path in islice(others, PHOTOS_OF_TYPE):
            shutil.copy(path, to / kind.name)
    call_command("import_images", to, licence=LICENCE, source="a folder", keep_copies=True)


def check(browser, address, name, opener, width, out, photos, spare) -> dict[tuple, list[str]]:
    """Open a page at a width and save it in both themes.

    Returns {(page, width, theme): findings}.
    """
    height, kind = WIDTHS[width]
    viewport = {"width": width, "height": height}
    options = {"viewport": viewport, "reduced_motion": "reduce", **kind}
    site = Site(browser, address, photos, spare, options)
    if name.startswith("admin"):
        site.context.add_cookies([{"name": "sessionid", "value": _session(), "url": address}])
    checked = {}
    try:
        opener(site)
        for theme in THEMES:
            site.page.emulate_media(color_scheme=theme)
            site.page.evaluate(FINISH_TRANSITIONS)
            save(site, out / f"{name}-{width}-{theme}.png", viewport)
            checked[name, width, theme] = findings(site, width)
    except Exception as error:  # a page that cannot be opened is a finding like any other
        checked[name, width, "light"] = [f"could not be opened: {error}"]
    finally:
        site.page.unroute_all(behavior="ignoreErrors")
        site.context.close()
    return checked


def save(site: Site, path: Path, viewport: dict) -> None:
    """Save a picture of the full page.

    Not by Playwright's `full_page`, which renders a long page of a touch screen as for a mouse.
    """
    height = site.page.evaluate("document.documentElement.scrollHeight")
    site.page.set_viewport_size({**viewport, "height": max(height, viewport["height"])})
    site.page.screenshot(path=path)
    site.page.set_viewport_size(viewport)


def findings(site: Site, width: int) -> list[str]:
    """Check the page as it is shown; returns a line for each finding."""
    axe = Axe()
    whole = axe.run(site.page).response["violations"]
    # Once more without what other projects draw, to tell their findings apart.
    site.page.evaluate(HIDE, THIRD_PARTY)
    own = axe.run(site.page).response["violations"]
    site.page.evaluate(SHOW, THIRD_PARTY)
    lines = [
        f"axe {each['id']}: {each['nodes'][0]['html'][:120]} ({len(each['nodes'])})" for each in own
    ]
    others = {each["id"] for each in whole} - {each["id"] for each in own}
    lines += [f"{THIRD_PARTY_FINDING} {each}" for each in sorted(others)]
    if wider := site.page.evaluate(FIND_WIDER, width):
        lines.append(f"wider than the window: {wider}")
    lines += [f"requested from another host: {each}" for each in site.strangers]
    lines += [f"script: {each}" for each in site.errors]
    return lines


def _session() -> str:
    client = Client()
    client.force_login(User.objects.get())
    return client.cookies["sessionid"].value


def report(pages: dict, checked: dict[tuple, list[str]]) -> int:
    """Print the table and each finding; returns 1 if there are any."""
    columns = [(width, theme) for width in WIDTHS for theme in THEMES]
    print(f"{'page':28s}" + "".join(f"{width:>6d} {theme:5s}" for width, theme in columns))
    places, total = {}, 0
    for name in pages:
        cells = []
        for column in columns:
            lines = checked.get((name, *column))
            count = sum(not line.startswith(THIRD_PARTY_FINDING) for line in lines or ())
            cells.append("–" if lines is None else str(count) if count else "ok")
            total += count
            for line in lines or ():
                places.setdefault((name, re.sub(r"\s+", " ", line)), []).append(column)
        print(f"{name:28s}" + "".join(f"{cell:>12s}" for cell in cells))
    for (name, line), where in places.items():
        words = ", ".join(f"{width} {theme}" for width, theme in where)
        print(f"{name}, {'everywhere' if len(where) == len(columns) else words}: {line}")
    print(f"{len(checked)} views of {len(pages)} pages, {total} findings")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(OPTIONS.out, OPTIONS.photos, OPTIONS.only, OPTIONS.chromium, SCRATCH))
