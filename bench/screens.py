"""How does every page look, and is anything wrong with it, at three widths, light and dark?

    .venv/bin/python -m bench.screens --out FOLDER --photos FOLDER [--only guide]

Makes an installation of its own in a scratch folder: the types, the starter model, some of the
photographs (`--photos`: FOLDER/…/<type's slug>/….jpg) imported, confirmed and assessed, an
administrator. Every page of `bench.pages` is opened in Chromium at 320, 768 and 1280 pixels, saved
as FOLDER/<page>-<width>-<theme>.png, and looked at: by axe, for anything that is wider than the
window, for requests to other hosts, for errors of scripts. Prints a table of what was found; the
exit status is 1 where that is anything. Without photographs drawings are asked about, and the
verdicts that none of them gets are left out, which is said.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import io
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import django

from bench.scratch import install, make_scratch

# What may be shown beside an answer here: the photographs that this script brings in.
LICENCE = "as their own list says"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--photos", type=Path, help="photographs, in a folder for each type")
    parser.add_argument("--only", default="", help="pages whose names have this in them")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", shutil.which("chromium")))
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch(
        "screens", DJANGO_ALLOW_ASYNC_UNSAFE="1", MODEL_POLL_SECONDS="0", EXPLAIN_LICENCES=LICENCE
    )

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import sync_playwright

from bench import pages, pictures, servers
from bench.photographs import evenly
from classifier.access import tokens
from classifier.answers import answer
from curation.decisions import decide
from curation.models import ShoeImage, ShoeType
from tests.browsing import ARGUMENTS, Visit

TOUCH = {"is_mobile": True, "has_touch": True}
WIDTHS = {320: (640, TOUCH), 768: (1024, TOUCH), 1280: (800, {})}
THEMES = ("light", "dark")
# What Swagger UI and Django's admin draw by themselves: told, but nothing of it counts.
NOT_OURS = "#swagger-ui, .inline-group, .vDateField, .vTimeField"
THEIRS = "not ours, axe"
VERDICTS = ("type", "category", "unsure", "not_a_shoe")
ASKED = 300  # photographs at most, until each verdict has one
TYPES, OF_EACH = 6, 9  # photographs that are brought in
# What sticks out, the outermost first. A window that is zoomed out to show it all does not count.
WIDER = """(width) => {
  if (document.documentElement.scrollWidth <= width) return "";
  const out = [...document.body.querySelectorAll("*")]
    .find((element) => element.getBoundingClientRect().right > width + 1);
  return `${document.documentElement.scrollWidth} px: ${out?.outerHTML.slice(0, 120) ?? "?"}`;
}"""

# A change of theme is a change of colours like any other, and some fade.
SETTLE = """() => document.getAnimations()
  .forEach((each) => each instanceof CSSTransition && each.finish())"""

HIDE = """(all) => document.querySelectorAll(all)
  .forEach((each) => each.style.setProperty("display", "none", "important"))"""
SHOW = """(all) => document.querySelectorAll(all)
  .forEach((each) => each.style.removeProperty("display"))"""


@dataclass
class Site(Visit):
    """What `bench.pages` opens pages with: a browser window, photographs by verdict, others."""

    browser: object
    address: str
    photos: dict[str, Path]
    spare: Iterator[Path]
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__(self.browser, self.address, **self.options)


def main(out: Path, folder: Path | None, only: str, chromium: str, scratch: Path) -> int:
    """Install, look, print; the exit status says whether anything was found."""
    out.mkdir(parents=True, exist_ok=True)
    # The broker is not running, jobs wait, and pages of errors are part of the matter.
    logging.disable(logging.WARNING)
    with redirect_stdout(io.StringIO()):
        install()
        User.objects.create_superuser("admin")
        photos = supply(folder, scratch)
        asked = by_verdict(photos)
        furnish(folder, scratch, asked)
    for verdict in set(VERDICTS) - set(asked):
        print(f"None of the photographs gets the verdict “{verdict}”: its page is left out.")
    spare = (path for path in photos if path not in asked.values())
    chosen = {name: page for name, page in pages.all_pages(asked).items() if re.search(only, name)}
    found = {}
    with servers.in_this_process() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, page in chosen.items():
            for width in WIDTHS:
                found |= look(browser, address, name, page, width, out, asked, spare)
        browser.close()
    return report(chosen, found)


def supply(folder: Path | None, scratch: Path) -> list[Path]:
    """Photographs to ask about, in an order that mixes their folders."""
    if folder:
        return list(evenly(folder))
    drawn = scratch / "drawn"
    drawn.mkdir()
    for number in range(40):
        (drawn / f"{number}.jpg").write_bytes(pictures.draw(number)[0])
    return sorted(drawn.iterdir())


def by_verdict(photos: list[Path]) -> dict[str, Path]:
    """For each verdict the first photograph that gets it."""
    found = {}
    for path in photos[:ASKED]:
        found.setdefault(answer.recognise(path.read_bytes())["verdict"], path)
        if len(found) == len(VERDICTS):
            break
    return found


def furnish(folder: Path | None, scratch: Path, asked: dict[str, Path]) -> None:
    """What an installation in use has: images confirmed and not, rejected, findings, a snapshot
    and its evaluation, jobs that wait, a token."""
    admin = User.objects.get()
    if folder:
        bring_in(folder, scratch / "import", asked)
        images = list(ShoeImage.objects.order_by("pk"))
        decide.reject(images[::20], admin, note="not the shoe alone")
        decide.confirm([image for at, image in enumerate(images) if at % 4 and at % 20], admin)
        call_command("assess", wait=True)
        call_command("snapshot", "spring")
        call_command("snapshot", "summer", confirmed=True)
        call_command("evaluate", "active", snapshot="spring")
        call_command("train", snapshot="spring")
        call_command("collect", "loafers", count=5)
    tokens.make(admin, "A shop's own page", ["feedback"], tokens.default_end())


def bring_in(folder: Path, to: Path, asked: dict[str, Path]) -> None:
    """Import photographs of some types, that of the answer with a type among them."""
    slugs = set(ShoeType.objects.filter(kind="type").values_list("slug", flat=True))
    named = [path for path in folder.rglob("*") if path.is_dir() and path.name in slugs]
    likeliest = ""
    if "type" in asked:
        likeliest = answer.recognise(asked["type"].read_bytes())["type"]["slug"]
    named.sort(key=lambda path: (path.name != likeliest, path.name))
    for kind in named[:TYPES]:
        (to / kind.name).mkdir(parents=True)
        others = (path for path in sorted(kind.glob("*.jpg")) if path not in asked.values())
        for path in islice(others, OF_EACH):
            shutil.copy(path, to / kind.name)
    call_command("import_images", to, licence=LICENCE, source="a folder", keep_copies=True)


def look(browser, address, name, page, width, out, photos, spare) -> dict[tuple, list[str]]:
    """Open a page at a width, save it in both themes; (page, width, theme) → what is wrong."""
    height, kind = WIDTHS[width]
    viewport = {"width": width, "height": height}
    options = {"viewport": viewport, "reduced_motion": "reduce", **kind}
    site = Site(browser, address, photos, spare, options)
    if name.startswith("admin"):
        site.context.add_cookies([{"name": "sessionid", "value": _session(), "url": address}])
    found = {}
    try:
        page(site)
        for theme in THEMES:
            site.page.emulate_media(color_scheme=theme)
            site.page.evaluate(SETTLE)
            save(site, out / f"{name}-{width}-{theme}.png", viewport)
            found[name, width, theme] = findings(site, width)
    except Exception as error:  # a page that cannot be opened is a finding like any other
        found[name, width, "light"] = [f"could not be looked at: {error}"]
    finally:
        site.page.unroute_all(behavior="ignoreErrors")
        site.context.close()
    return found


def save(site: Site, path: Path, viewport: dict) -> None:
    """The page in full. Not by Chromium's own way, which shows a touch screen's page as a mouse
    would get it, where it is longer than the window."""
    long = site.page.evaluate("document.documentElement.scrollHeight")
    site.page.set_viewport_size({**viewport, "height": max(long, viewport["height"])})
    site.page.screenshot(path=path)
    site.page.set_viewport_size(viewport)


def findings(site: Site, width: int) -> list[str]:
    """What is wrong with the page as it stands, a line each."""
    axe = Axe()
    whole = axe.run(site.page).response["violations"]
    # Looked at once more without what other people wrote: it is told, and told apart.
    site.page.evaluate(HIDE, NOT_OURS)
    own = axe.run(site.page).response["violations"]
    site.page.evaluate(SHOW, NOT_OURS)
    found = [
        f"axe {each['id']}: {each['nodes'][0]['html'][:120]} ({len(each['nodes'])})" for each in own
    ]
    others = {each["id"] for each in whole} - {each["id"] for each in own}
    found += [f"{THEIRS} {each}" for each in sorted(others)]
    if wider := site.page.evaluate(WIDER, width):
        found.append(f"wider than the window: {wider}")
    found += [f"asked of another host: {each}" for each in site.strangers]
    found += [f"script: {each}" for each in site.errors]
    return found


def _session() -> str:
    client = Client()
    client.force_login(User.objects.get())
    return client.cookies["sessionid"].value


def report(chosen: dict, found: dict[tuple, list[str]]) -> int:
    """Print the table and what each number in it stands for; 1 where there is any."""
    columns = [(width, theme) for width in WIDTHS for theme in THEMES]
    print(f"{'page':28s}" + "".join(f"{width:>6d} {theme:5s}" for width, theme in columns))
    lines, total = {}, 0
    for name in chosen:
        cells = []
        for column in columns:
            said = found.get((name, *column))
            count = sum(not line.startswith(THEIRS) for line in said or ())
            cells.append("–" if said is None else str(count) if count else "ok")
            total += count
            for line in said or ():
                lines.setdefault((name, re.sub(r"\s+", " ", line)), []).append(column)
        print(f"{name:28s}" + "".join(f"{cell:>12s}" for cell in cells))
    for (name, line), places in lines.items():
        where = (
            "everywhere"
            if len(places) == len(columns)
            else ", ".join(f"{width} {theme}" for width, theme in places)
        )
        print(f"{name}, {where}: {line}")
    print(f"{len(found)} views of {len(chosen)} pages, {total} findings")
    return 1 if total else 0


if __name__ == "__main__":
    try:
        sys.exit(main(OPTIONS.out, OPTIONS.photos, OPTIONS.only, OPTIONS.chromium, SCRATCH))
    finally:
        shutil.rmtree(SCRATCH)
