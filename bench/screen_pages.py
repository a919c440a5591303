"""List the pages that `bench.screens` checks: the name of each, and a function that opens it.

The function takes a `bench.screens.Site` and leaves its window showing the page. The server runs in
the same process, so a function may change settings and rows while it opens a page.
"""

import re
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.test import override_settings
from django.urls import reverse
from playwright.sync_api import expect

from classifier.models import Evaluation, ModelVersion, TrainingRun
from classifier.registry import serving
from curation.models import AssessRun, Collection, Import, ShoeImage, ShoeType, Snapshot
from curation.taxonomy.guide import Guide

Opener = Callable[[object], None]
PREDICTIONS = "**/api/v1/predictions/*"
ANSWER_TIMEOUT = 30_000  # milliseconds: a busy machine, or the page's three attempts
INVALID_ANSWER_ID = "An-answer-cut-off"


def all_pages(photos: dict[str, Path]) -> dict[str, Opener]:
    """Return all pages by name. `photos`: verdict → a photograph that gets it."""
    answers = {f"answer-{verdict}": _answered(verdict) for verdict in photos}
    answers |= {f"explained-{verdict}": _explained(verdict) for verdict in photos}
    with_type = WITH_TYPE if "type" in photos else {}
    return START | answers | with_type | errors() | guide() | OTHERS | admin()


def _at(path: str) -> Opener:
    return lambda site: site.open(path)


# --- a photo and its answer -------------------------------------------------------------------


def _choose(site, *files) -> None:
    site.page.set_input_files("#gallery", list(files))
    expect(site.page.locator(".answer.waiting")).to_have_count(0, timeout=ANSWER_TIMEOUT)


def _pdf() -> Path:
    path = settings.VAR_DIR / "receipt.pdf"
    path.write_bytes(b"%PDF-1.7")
    return path


def _answered(verdict: str) -> Opener:
    def open_page(site):
        site.open()
        _choose(site, site.photos[verdict])
        site.page.locator(f'[data-verdict="{verdict}"]').wait_for()

    return open_page


def _explained(verdict: str) -> Opener:
    def open_page(site):
        _answered(verdict)(site)
        site.page.get_by_text("Why this answer?").click()
        site.page.locator(".explained").wait_for()
        # Pictures further down are loaded when they are scrolled into view.
        for picture in site.page.locator(".examples img").all():
            picture.scroll_into_view_if_needed()
        site.page.wait_for_load_state("networkidle")
        site.page.evaluate("scrollTo(0, 0)")

    return open_page


def _feedback_open(site) -> None:
    _answered("type")(site)
    _say_no(site, "")
    site.page.get_by_label("Give the photo too.").check()


def _say_no(site, name: str) -> None:
    # force: the drawn tick covers the radio button.
    site.page.get_by_role("radio", name="No").check(force=True)
    site.page.get_by_label("What is it?").fill(name)


def _feedback_refused(site) -> None:
    _answered("type")(site)
    _say_no(site, "moon boots")
    site.page.get_by_role("button", name="Send feedback").click()
    site.page.get_by_text("No type is called that: choose").wait_for()


def _feedback_sent(site) -> None:
    site.open()
    _choose(site, next(site.spare))
    site.page.get_by_role("radio", name="No").check(force=True)
    site.page.get_by_label("Give the photo too.").check()
    site.page.get_by_role("button", name="Send feedback").click()
    site.page.locator(".thanks").wait_for()


def _several(site) -> None:
    site.open()
    _choose(site, *site.photos.values(), _pdf())


def _waiting(site) -> None:
    site.open()
    site.page.route(PREDICTIONS, lambda route: None)  # never answered
    site.page.set_input_files("#gallery", [site.photos["type"], next(site.spare)])
    site.page.get_by_text("Looking at the photo").first.wait_for()


def _shared_link(site) -> str:
    _answered("type")(site)
    return site.page.get_by_role("link", name="Link to this answer").get_attribute("href")


def _shared(site) -> None:
    site.open(_shared_link(site))


def _shared_expired(site) -> None:
    link = _shared_link(site)
    with override_settings(ANSWER_ID_HOURS=-1):
        site.open(link)


def _without_script(site) -> None:
    # JavaScript stays on, because the checks of `bench.screens` run in the page.
    site.page.route(re.compile(r"/static/site/.*\.js"), lambda route: route.abort())
    site.open()


def _without_script_answer(site) -> None:
    _without_script(site)
    site.page.set_input_files("#gallery", site.photos["type"])
    site.page.get_by_label("Explain the answer").check()
    site.page.get_by_role("button", name="Recognise").click()
    site.page.get_by_role("radio", name="No").check(force=True)
    site.page.get_by_label("Give the photo too.").check()


def _without_script_no_picture(site) -> None:
    _without_script(site)
    site.page.get_by_role("button", name="Recognise").click()
    site.page.locator(".answer.failed").wait_for()


START = {"start": _at("/"), "start-without-script": _without_script}
WITH_TYPE = {
    "answer-without-script": _without_script_answer,
    "answer-several": _several,
    "answer-waiting": _waiting,
    "feedback-open": _feedback_open,
    "feedback-refused": _feedback_refused,
    "feedback-sent": _feedback_sent,
    "shared": _shared,
    "shared-expired": _shared_expired,
}


# --- errors -----------------------------------------------------------------------------------


def errors() -> dict[str, Opener]:
    """Return the pages that show an error."""
    return {
        "error-no-picture": _without_script_no_picture,
        "error-not-a-picture": lambda site: _choose(site.open(), _pdf()),
        "error-too-large": _too_large,
        "error-unreachable": _unreachable,
        "no-model": _no_model("/"),
        "no-model-guide": _no_model("/guide/"),
        "shared-unknown": _at(reverse("past-answer", args=[INVALID_ANSWER_ID])),
        "not-found": _at("/guide/spaceships/"),
    }


def _too_large(site) -> None:
    with override_settings(IMAGE_MAX_BYTES=1024**2):
        site.open()
    data = b"\xff\xd8\xff" + bytes(2 * 1024**2)
    _choose(site, {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": data})


def _unreachable(site) -> None:
    site.open()
    site.page.route(PREDICTIONS, lambda route: route.abort())
    _choose(site, next(site.spare))
    site.page.locator(".failed").wait_for()


def _no_model(path: str) -> Opener:
    def open_page(site):
        active = ModelVersion.objects.filter(active=True)
        keys = list(active.values_list("pk", flat=True))
        active.update(active=False)
        try:
            site.open(path)
        finally:
            ModelVersion.objects.filter(pk__in=keys).update(active=True)

    return open_page


# --- the guide and the rest -------------------------------------------------------------------


def guide() -> dict[str, Opener]:
    """Return the guide's pages."""
    rows, learnt = Guide().types(), {each.slug for each in serving.active().model.classes}
    known = next(row for row in rows if row.slug in learnt)
    pages = {
        "guide": _at("/guide/"),
        "guide-opened": _guide_opened,
        "guide-found": _at("/guide/?q=boot"),
        "guide-nothing": _at("/guide/?q=spaceship"),
        "guide-category": _at(reverse("guide-category", args=[known.category.slug])),
        "guide-type": _at(reverse("guide-type", args=[known.slug])),
    }
    unknown = next((row for row in rows if row.slug not in learnt), None)
    if unknown:
        pages["guide-type-not-learnt"] = _at(reverse("guide-type", args=[unknown.slug]))
    return pages


def _guide_opened(site) -> None:
    site.open("/guide/")
    site.page.locator(".entry summary").first.click()


def _withdraw_refused(site) -> None:
    site.open("/withdraw/")
    site.page.get_by_label("Code").fill("AAAAA-BBBBB-CCCCC-DDDDD")
    site.page.get_by_role("button", name="Remove the photo").click()
    site.page.locator(".problem").wait_for()


def _api(site) -> None:
    site.open("/api/v1/docs/")
    site.page.get_by_text("Recognise the shoe in a photo").click()
    site.page.get_by_role("button", name="Try it out").wait_for()


OTHERS = {
    "privacy": _at("/privacy/"),
    "withdraw": _at("/withdraw/"),
    "withdraw-refused": _withdraw_refused,
    "api": _api,
}


# --- the admin --------------------------------------------------------------------------------


def admin() -> dict[str, Opener]:
    """Return the admin's pages that have templates of the project or show its rows."""
    names = ["index", "curation_queue", "curation_board", "curation_agreement", "curation_undo"]
    names += ["curation_undo_span", "curation_import_upload", "curation_bulk", "curation_purge"]
    names += ["curation_snapshot_compare"]
    pages = {f"admin-{name.removeprefix('curation_')}": _admin(name) for name in names}
    for model in (ShoeImage, Import, Collection, Snapshot, ShoeType, AssessRun, TrainingRun,
                  ModelVersion, Evaluation):  # fmt: skip
        kind = f"{model._meta.app_label}_{model._meta.model_name}"
        pages[f"admin-{model._meta.model_name}-list"] = _admin(f"{kind}_changelist")
        row = model.objects.order_by("pk").first()
        if row:
            pages[f"admin-{model._meta.model_name}"] = _admin(f"{kind}_change", row.pk)
    for name in ("curation_collection_add", "classifier_trainingrun_add"):
        pages[f"admin-{name.split('_', 1)[1]}".replace("_", "-")] = _admin(name)
    pages["admin-feedback-list"] = _admin("classifier_feedback_changelist")
    pages["admin-token-list"] = _admin("classifier_accesstoken_changelist")
    pages["admin-token-add"] = _admin("classifier_accesstoken_add")
    pages["admin-token-made"] = _token_made
    merged = ShoeType.objects.filter(kind="type").first()
    pages["admin-merge"] = _admin("curation_merge", merged.pk)
    return pages


def _admin(name: str, *args) -> Opener:
    def open_page(site):
        site.open(reverse(f"admin:{name}", args=args))
        site.page.wait_for_load_state("networkidle")

    return open_page


def _token_made(site) -> None:
    _admin("classifier_accesstoken_add")(site)
    site.page.get_by_label("Name").fill("A program")
    site.page.get_by_role("checkbox").first.check()
    site.page.get_by_role("button", name="Save", exact=True).click()
    site.page.wait_for_load_state("networkidle")
