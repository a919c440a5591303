"""The queue in a real browser: keys, two people at once, a connection that goes away."""

from contextlib import suppress

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from curation import ingest
from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import Assessment, AssessRun, Finding, QueueClaim, Review, ShoeImage
from tests import decisions
from tests.browsing import PHONE, Visit, close
from tests.factories import jpeg, shoe_type

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGE = reverse("admin:curation_queue")
# Whether no request was made or answered in the last quarter of a second.
QUIET = """() => {
  const last = performance.getEntriesByType("resource").at(-1);
  return !last || performance.now() - Math.max(last.responseEnd, last.startTime) > 250;
}"""


@pytest.fixture(autouse=True)
def guide():
    """The guide and the roles, which a test with transactions deletes with all other rows."""
    from curation.taxonomy.load_types import load
    from shoeproject import roles

    load()
    roles.grant()


@pytest.fixture
def photos():
    """Six drawn photographs of sandals; the model takes the first four for mules."""
    images = [
        ingest.add_image(
            jpeg(n), ingest.Origin(source=f"shop {n % 2}"), label=shoe_type("sandals")
        )[0]
        for n in range(6)
    ]
    run = AssessRun.objects.create(state="done")
    found = []
    for number, image in enumerate(images):
        best = "mules" if number < 4 else "sandals"
        top = [[best, 0.9 - number / 100], ["loafers", 0.05]]
        Assessment.objects.create(run=run, image=image, top=top, suggested=best)
        ShoeImage.objects.filter(pk=image.pk).update(suggested=best)
        if number < 4:
            found.append(NewFinding(image.pk, "label-issue", 1 - number / 10, suggested=best))
    write.record(run, found)
    write.publish(run)
    findings.refresh([image.pk for image in images])
    return images


class Curator(Visit):
    """A curator's browser page with the queue."""

    def __init__(self, browser, address, user, client, **options):
        super().__init__(browser, address, **options)
        client.force_login(user)
        session = client.cookies["sessionid"].value
        self.context.add_cookies([{"name": "sessionid", "value": session, "url": address}])

    def start(self, query=""):
        self.open(PAGE + query)
        self.page.wait_for_selector("html.scripted")
        return self

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def card(self, image):
        return self.page.locator(f"#image-{image.pk}")

    def wait(self, image, verdict):
        self.page.wait_for_selector(f'#image-{image.pk}[data-verdict="{verdict}"]')

    def focused(self) -> int:
        return int(self.page.evaluate("document.activeElement.dataset.id ?? 0"))

    def order(self) -> list[int]:
        return self.page.evaluate(
            "[...document.querySelectorAll('.card')].map((c) => +c.dataset.id)"
        )

    def wait_for_message(self, words):
        self.page.wait_for_function(
            "words => document.getElementById('say').textContent.includes(words)", arg=words
        )

    def wait_until_sent(self):
        self.page.wait_for_function(
            "() => !Object.keys(localStorage).some((key) => key.startsWith('queue-unsent'))"
        )


@pytest.fixture
def curator(browser, live_server, django_user_model, idle):
    from django.test import Client

    visits = []

    def make(name="kim", **options):
        for each in visits:  # an answer that is being written locks the tables
            each.page.wait_for_function(QUIET)
        user = django_user_model.objects.filter(username=name).first()
        if user is None:
            user = django_user_model.objects.create_user(name, password="x", is_staff=True)
            user.groups.set(Group.objects.filter(name="Curator"))
        visits.append(Curator(browser, live_server.url, user, Client(), **options))
        return visits[-1]

    yield make
    for each in visits:
        with suppress(Exception):  # an answer that is being written locks the tables
            each.page.wait_for_function(QUIET, timeout=5000)
        # A page that is left releases its claims, and that request gets through even offline and
        # may arrive while the tables are being emptied. So the page can make none any more.
        with suppress(Exception):
            each.page.evaluate("() => { window.fetch = () => new Promise(() => {}); }")
        each.page.goto("about:blank")
    idle()
    close(visits)


def state(image) -> tuple[str, str]:
    image.refresh_from_db()
    return image.label.slug, image.state


def test_everything_by_keyboard(curator, photos):
    v = curator().start()
    assert v.order() == [image.pk for image in photos]
    assert v.focused() == photos[0].pk, "ready at once"
    v.press("Enter")
    v.wait(photos[0], "done")
    assert v.focused() == photos[1].pk, "on to the next one"
    v.press("Delete")
    v.wait(photos[1], "done")
    v.press("k")
    v.wait(photos[2], "done")
    v.press("/")
    v.page.wait_for_selector("#label-list li")
    labels = v.page.locator("#label-list li")
    assert labels.first.inner_text().startswith("Mules"), "the most likely one first"
    v.page.keyboard.type("loaf")
    v.press("Enter")
    v.wait(photos[3], "done")
    v.wait_until_sent()
    assert state(photos[0]) == ("mules", "confirmed")
    assert state(photos[1]) == ("sandals", "rejected")
    assert state(photos[2]) == ("sandals", "confirmed")
    assert state(photos[3]) == ("loafers", "confirmed")
    assert v.page.locator("#left").inner_text() == "2"


def test_undo_takes_one_step_back_at_a_time(curator, photos):
    v = curator().start()
    v.press("Enter", "Delete")
    v.wait_until_sent()
    v.press("z")
    v.wait_for_message("Undone: rejected")
    assert state(photos[1]) == ("sandals", "unreviewed")
    assert v.focused() == photos[1].pk
    v.press("z")
    v.wait_for_message("Undone: → Mules")
    assert state(photos[0]) == ("sandals", "unreviewed")
    v.press("z")
    v.wait_for_message("nothing to undo")
    assert v.page.locator("#left").inner_text() == "6"


def test_selection_is_decided_on_together_and_undone_together(curator, photos):
    v = curator().start()
    v.press("Space", "Shift+ArrowRight", "Shift+ArrowRight")
    assert v.page.locator("#selected span").inner_text() == "3 selected"
    v.press("Delete")
    v.wait_until_sent()
    assert [state(image)[1] for image in photos[:4]] == ["rejected"] * 3 + ["unreviewed"]
    assert Review.objects.filter(action="reject").values("batch").distinct().count() == 1
    assert v.page.locator("#selected").is_hidden()
    v.press("z")
    v.wait_for_message("Undone")
    assert {state(image)[1] for image in photos} == {"unreviewed"}


def test_all_in_view_are_selected_and_their_suggestions_accepted(curator, photos):
    v = curator().start()
    v.press("Control+a", "Enter")
    v.wait_until_sent()
    assert [state(image)[0] for image in photos] == ["mules"] * 4 + ["sandals"] * 2
    assert {state(image)[1] for image in photos} == {"confirmed"}
    v.page.wait_for_selector("#nothing:not([hidden])")


def test_selection_survives_another_filter_and_back(curator, photos):
    v = curator().start()
    v.press("Space", "Shift+ArrowRight")
    v.page.locator("fieldset[data-facet=source] .value", has_text="shop 1").click()
    v.page.wait_for_url("**source=shop+1")
    v.page.wait_for_function("document.querySelectorAll('.card').length === 3")
    assert v.page.locator("#selected span").inner_text() == "2 selected (1 not in view)"
    v.page.go_back()
    v.page.wait_for_function("document.querySelectorAll('.card').length === 6")
    assert v.page.locator("#selected span").inner_text() == "2 selected"
    v.page.locator('[data-do="reject"]').click()
    v.wait_until_sent()
    assert [state(image)[1] for image in photos[:3]] == ["rejected", "rejected", "unreviewed"]


def test_address_is_the_filter(curator, photos):
    v = curator().start("?source=shop+1")
    assert v.order() == [photos[1].pk, photos[3].pk, photos[5].pk]
    v.page.locator("#chips a", has_text="shop 1").click()
    v.page.wait_for_function("document.querySelectorAll('.card').length === 6")
    assert v.page.url.endswith(PAGE)


def test_image_decided_on_by_a_colleague_first_comes_back(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 2
    kim = curator().start()
    kim.page.wait_for_function(QUIET)
    QueueClaim.objects.all().delete()  # as if they had run out
    ana = curator("ana").start()
    assert ana.order() == kim.order()
    ana.press("Delete")
    ana.wait_until_sent()
    kim.press("k")
    kim.wait(photos[0], "overtaken")
    assert "ana rejected it, just now" in kim.card(photos[0]).inner_text()
    assert state(photos[0])[1] == "rejected"
    kim.press("ArrowLeft", "k")
    kim.wait(photos[0], "done")
    assert state(photos[0])[1] == "confirmed", "the next key decides"


def test_images_on_a_colleagues_page_are_left_out_and_counted(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 2
    ana = curator("ana").start()
    ana.page.wait_for_load_state("networkidle")
    kim = curator().start()
    assert not set(ana.order()) & set(kim.order())
    assert kim.page.locator("#claimed span").inner_text() == "4", "her page and the one after it"


def test_next_page_comes_by_itself(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 2
    v = curator().start()
    assert v.order() == [photos[0].pk, photos[1].pk]
    v.press("k", "k")
    v.page.wait_for_selector(f"#image-{photos[2].pk}")
    assert v.order() == [photos[2].pk, photos[3].pk]
    assert v.focused() == photos[2].pk
    v.press("n")
    v.page.wait_for_selector(f"#image-{photos[4].pk}")
    v.press("z")
    v.wait_for_message("Undone")
    assert v.order()[0] == photos[1].pk, "back on the page, though its page is gone"


def test_decisions_made_offline_are_sent_later(curator, photos):
    v = curator().start()
    v.page.wait_for_load_state("networkidle")
    v.context.set_offline(True)
    v.press("Delete", "k")
    v.wait(photos[1], "unsent")
    assert "2 decisions not sent yet" in v.page.locator("#unsent").inner_text()
    assert state(photos[0])[1] == "unreviewed"
    v.press("z")
    v.wait_for_message("Undone: kept")
    v.context.set_offline(False)
    v.wait(photos[0], "done")
    assert state(photos[0])[1] == "rejected" and state(photos[1])[1] == "unreviewed"
    assert v.page.locator("#unsent").is_hidden()


def test_unsent_decisions_survive_a_reload(curator, photos):
    v = curator().start()
    v.page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
    v.route("**/queue/decide/", lambda route: route.abort())
    v.press("Delete")
    v.wait(photos[0], "unsent")
    v.page.unroute("**/queue/decide/")
    v.page.reload()
    v.wait(photos[0], "done")
    assert state(photos[0])[1] == "rejected"


def test_decision_whose_answer_was_lost_counts_once(curator, photos):
    v = curator().start()

    def swallow(route):
        route.fetch()
        route.abort()
        v.page.unroute("**/queue/decide/")

    v.route("**/queue/decide/", swallow)
    v.press("Delete")
    v.wait(photos[0], "done")
    assert Review.objects.filter(image=photos[0], action="reject").count() == 1
    v.press("z")
    v.wait_for_message("Undone: rejected")
    assert state(photos[0])[1] == "unreviewed"


def test_signed_out_curator_loses_nothing(curator, photos, client):
    v = curator().start()
    cookies = v.context.cookies()
    v.context.clear_cookies()
    v.press("Delete")
    v.wait(photos[0], "unsent")
    assert v.page.locator("#unsent a").inner_text() == "Sign in"
    v.context.add_cookies(cookies)
    v.wait(photos[0], "done")
    assert state(photos[0])[1] == "rejected"


def test_image_is_left_to_a_colleague_with_a_note(curator, photos):
    v = curator().start()
    v.press("s")
    v.page.keyboard.type("Which of the two?")
    v.press("Control+Enter")
    v.wait(photos[0], "done")
    assert Finding.objects.get(reason="left").note == "Which of the two?"
    colleague = curator("ana")
    QueueClaim.objects.all().delete()
    colleague.start("?reason=left")
    assert "Which of the two?" in colleague.card(photos[0]).inner_text()


def test_zoom_goes_on_and_decides(curator, photos):
    v = curator().start()
    v.press("o")
    image = v.page.locator("#zoom img")
    assert image.get_attribute("src").endswith(f"/{photos[0].pk}/picture/")
    v.press("ArrowRight")
    assert image.get_attribute("src").endswith(f"/{photos[1].pk}/picture/")
    v.press("Enter")
    v.wait(photos[1], "done")
    assert image.get_attribute("src").endswith(f"/{photos[2].pk}/picture/")
    v.press("Escape")
    v.page.wait_for_selector(f"#image-{photos[2].pk}:focus")
    assert state(photos[1]) == ("mules", "confirmed")


def test_types_stand_beside_each_other(curator, photos):
    decisions.confirm([photos[4]], by=None)
    v = curator().start()
    v.press("d")
    v.page.wait_for_selector("#define section + section")
    text = v.page.locator("#define").inner_text()
    assert "Sandals" in text and "Mules" in text and shoe_type("mules").distinction[0] in text
    assert v.page.locator("#define .examples img").count() == 1


def copies(photos):
    run = AssessRun.objects.create(state="done")
    found = [NewFinding(p.pk, "near-duplicate", 0.9, other=photos[0].sha256) for p in photos[1:3]]
    write.record(run, found)
    write.publish(run)
    findings.refresh([photo.pk for photo in photos])


def test_one_copy_is_kept_and_the_others_rejected_by_one_key(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.press("Enter")  # for a copy that compares first
    v.page.wait_for_selector("#compare table")
    assert v.page.locator("#compare tr.differs").count() > 0
    v.press("Enter")
    v.wait_until_sent()
    assert [state(photo)[1] for photo in photos[:3]] == ["unreviewed", "rejected", "rejected"]
    v.press("z")
    v.wait_for_message("Undone")
    assert [state(photo)[1] for photo in photos[:3]] == ["unreviewed"] * 3


def test_copies_are_kept_on_purpose(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.press("p")
    v.page.wait_for_selector("#compare table")
    v.press("k")
    v.wait_until_sent()
    assert not Review.objects.filter(action="confirm").exists(), (
        "nothing was said about their labels"
    )
    assert set(
        Finding.objects.filter(reason="near-duplicate").values_list("outcome", flat=True)
    ) == {"kept"}
    v.press("z")
    v.wait_for_message("Undone")
    assert Finding.objects.filter(reason="near-duplicate", outcome="").count() == 2


def test_single_keys_can_be_switched_off(curator, photos):
    v = curator().start()
    v.press("?")
    v.page.locator("#single-keys").uncheck()
    v.press("Escape")
    v.page.locator(".card").first.focus()
    v.press("k", "s", "/")
    assert v.page.locator("dialog[open]").count() == 0
    assert v.page.locator("[data-verdict]").count() == 0
    v.page.locator('[data-do="keep"]').click()
    v.wait(photos[0], "done")
    v.start()
    v.press("?")
    assert v.page.locator("dialog[open]").count() == 0, "remembered"


def test_mouse_selects_ranges_and_zooms(curator, photos):
    v = curator().start()
    v.card(photos[1]).click()
    v.card(photos[3]).click(modifiers=["Shift"])
    assert v.page.locator('[aria-selected="true"]').count() == 3
    v.page.locator("#clear").click()
    assert v.page.locator('[aria-selected="true"]').count() == 0
    v.card(photos[2]).dblclick()
    assert v.page.locator("#zoom").is_visible()


def test_phone_decides_by_touch_without_sideways_scrolling(curator, photos):
    v = curator(**PHONE).start()
    assert not v.too_wide()
    v.card(photos[1]).tap()
    v.page.locator('[data-do="relabel"]').tap()
    v.page.locator("#label-list li", has_text="Loafers").tap()
    v.wait(photos[1], "done")
    assert state(photos[1])[0] == "loafers"
    v.page.locator("#open-facets").tap()
    v.page.locator("#facets-dialog .value", has_text="shop 1").tap()
    v.page.locator("#facets-dialog .close").tap()
    v.page.wait_for_function("document.querySelectorAll('.card').length === 2")
    assert not v.too_wide()
    v.page.locator('[data-do="zoom"]').tap()
    assert not v.too_wide()


def test_without_javascript_one_can_look(curator, photos):
    v = curator(java_script_enabled=False)
    v.open(PAGE + "?source=shop+0")
    assert v.page.locator(".card").count() == 3
    assert v.page.locator(".warning-note").bounding_box()["height"] > 10
    assert v.page.locator(".tools").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_dialog_passes_axe(curator, photos, scheme):
    axe_package = pytest.importorskip("axe_playwright_python.sync_playwright")
    axe = axe_package.Axe()
    copies(photos)
    v = curator(color_scheme=scheme).start("?source=shop+0")

    def clean(what):
        found = axe.run(v.page).response["violations"]
        assert not found, (what, [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in found])

    clean("page")
    v.press("Space")
    clean("selection")
    v.press("Escape")
    for key, ready in (
        ("?", "#help[open]"), ("/", "#label-list li"), ("s", "#leave[open]"), ("o", "#zoom[open]"),
        ("d", "#define section"), ("p", "#compare table"),
    ):  # fmt: skip
        v.press(key)
        v.page.wait_for_selector(ready)
        clean(ready)
        v.press("Escape")
    v.press("Delete")
    v.page.wait_for_selector('[data-verdict="done"]')
    v.wait_until_sent()
    v.page.wait_for_function("document.activeElement.matches('.card:not([data-verdict])')")
    v.route("**/queue/decide/", lambda route: route.abort())
    v.press("Delete")
    v.page.wait_for_selector("#unsent:not([hidden])")
    clean("unsent")
    v.page.unroute("**/queue/decide/")
    v.wait_until_sent()
