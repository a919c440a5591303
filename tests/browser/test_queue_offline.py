"""The queue in a real browser: lost connections, refusals, slow answers and quick keys."""

import pytest

from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import AssessRun, Finding, QueueClaim, Review
from tests import decisions
from tests.browser.test_queue import copies, curator, guide, photos, state  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# ruff: noqa: F811 - imported fixtures are named like parameters
DECIDE = "**/queue/decide/"


def hold_down(page, key):
    """Press a key once and repeat it twice, as holding it down does."""
    for _ in range(3):
        page.keyboard.down(key)
    page.keyboard.up(key)


def wait_for_requests(v, requests, number=1):
    """Wait until so many requests are held back in the list `requests`."""
    for _ in range(250):
        if len(requests) >= number:
            return
        v.page.wait_for_timeout(20)
    pytest.fail("the request was not made")


@pytest.mark.parametrize("key", ["Delete", "Enter", "k"])
def test_key_held_down_decides_once(curator, photos, key):
    v = curator().start()
    hold_down(v.page, key)
    v.wait_until_sent()
    assert Review.objects.exclude(action="import").count() == 1


def test_enter_held_down_opens_copies_and_rejects_none(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.page.keyboard.down("Enter")
    v.page.wait_for_selector("#compare table")
    v.page.keyboard.down("Enter")
    v.page.keyboard.up("Enter")
    assert v.page.locator("#compare").is_visible()
    assert not Review.objects.filter(action="reject").exists()


def test_settled_copies_are_not_selected_any_more(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.card(photos[1]).click()
    v.press("p")
    v.page.wait_for_selector("#compare table")
    v.press("Enter")
    v.wait_until_sent()
    assert v.page.locator("#selected").is_hidden()
    v.start()
    v.press("k")
    v.wait(photos[0], "done")
    v.wait_until_sent()
    assert state(photos[1])[1] == "rejected", "the next key is about the next image"


def test_undone_copies_are_as_they_were(curator, photos):
    pair = photos[4:]  # of which nothing else is said
    decisions.confirm(pair, by=None)
    run = AssessRun.objects.create(state="done")
    leaks = [
        NewFinding(one.pk, "leakage", 0.9, other=other.sha256) for one, other in (pair, pair[::-1])
    ]
    write.record(run, leaks)
    write.publish(run)
    findings.refresh([photo.pk for photo in photos])
    v = curator().start("?reason=leakage")
    v.press("p")
    v.page.wait_for_selector("#compare table")
    v.press("1")
    v.wait_until_sent()
    v.press("z")
    v.wait_for_message("Undone")
    assert v.page.locator("[data-verdict]").count() == 0
    assert v.page.locator(".why.copy").count() == 2


def test_copy_rejected_here_is_not_on_the_next_page(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 1
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.page.wait_for_load_state("networkidle")
    v.press("Enter")
    v.page.wait_for_selector("#compare table")
    v.press("Enter")
    v.page.wait_for_selector("#nothing:not([hidden])")
    assert {state(photo)[1] for photo in photos[1:3]} == {"rejected"}


def test_keys_on_copies_over_the_zoom_leave_the_image_behind_alone(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.press("o")
    v.page.wait_for_selector("#zoom[open]")
    v.press("p")
    v.page.wait_for_selector("#compare table")
    v.press("Delete", "/")
    assert v.page.locator("#relabel").is_hidden()
    v.press("Escape")
    v.wait_until_sent()
    assert not Review.objects.filter(action="reject").exists()


def test_refused_decision_is_not_sent_again(curator, photos):
    v = curator().start()
    v.route(DECIDE, lambda route: route.fulfill(status=413, body="<h1>Too large</h1>"))
    v.press("Delete")
    v.wait(photos[0], "refused")
    v.wait_until_sent()
    assert "413" in v.card(photos[0]).inner_text()
    v.page.unroute(DECIDE)
    v.press("Delete")
    v.wait(photos[1], "done")


def test_decision_is_sent_again_after_an_error_page(curator, photos):
    v = curator().start()
    answers = iter([503, 200])

    def interrupt(route):
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, body="<h1>One moment</h1>")

    v.route(DECIDE, interrupt)
    v.press("Delete")
    v.wait(photos[0], "done")
    assert state(photos[0])[1] == "rejected"


def test_decision_that_may_have_arrived_is_not_silently_undone(curator, photos):
    v = curator().start()

    def swallow(route):
        route.fetch()
        route.abort()

    v.route(DECIDE, swallow, times=1)
    v.route("**/queue/undo/", lambda route: route.continue_())
    v.page.clock.install()  # the second try comes when the test says so
    v.press("Delete")
    v.wait(photos[0], "unsent")
    v.press("z")
    v.page.clock.run_for(100)
    v.wait_for_message("may have reached the server")
    v.page.clock.run_for(5000)
    v.wait(photos[0], "done")
    v.press("z")
    v.page.clock.run_for(5000)
    v.wait_until_sent()
    v.page.wait_for_selector(f"#image-{photos[0].pk}:not([data-verdict])")
    assert state(photos[0])[1] == "unreviewed"


def test_unsent_decision_is_seen_in_another_view_too(curator, photos):
    v = curator().start()
    v.route(DECIDE, lambda route: route.fulfill(status=503, body=""))
    v.press("ArrowRight", "Delete")
    v.wait(photos[1], "unsent")
    v.page.locator("fieldset[data-facet=source] .value", has_text="shop 1").click()
    v.page.wait_for_function("document.querySelectorAll('.card').length === 3")
    assert v.card(photos[1]).get_attribute("data-verdict") in ("pending", "unsent")
    v.page.unroute(DECIDE)
    v.wait(photos[1], "done")
    assert Review.objects.filter(image=photos[1], action="reject").count() == 1


def test_overtaken_decision_comes_back_though_its_page_is_gone(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 1
    v = curator().start()
    v.page.wait_for_load_state("networkidle")
    QueueClaim.objects.all().delete()
    ana = curator("ana").start()
    ana.press("Delete")
    ana.wait_until_sent()
    late = []
    v.route(DECIDE, lambda route: late.append(route), times=1)
    v.press("k")
    v.page.wait_for_selector(f"#image-{photos[1].pk}")
    wait_for_requests(v, late)
    late[0].continue_()
    v.wait(photos[0], "overtaken")
    assert "ana rejected it" in v.card(photos[0]).inner_text()


def test_later_decision_shows_while_the_earlier_one_arrives(curator, photos):
    v = curator().start()
    held = []
    v.route(DECIDE, lambda route: held.append(route), times=2)
    v.press("Delete", "ArrowLeft", "k")
    wait_for_requests(v, held)
    held[0].continue_()
    v.page.wait_for_function("document.querySelectorAll('[data-verdict=done]').length === 0")
    wait_for_requests(v, held, 2)
    assert "kept" in v.card(photos[0]).locator(".verdict").inner_text()
    held[1].continue_()
    v.wait(photos[0], "done")
    assert state(photos[0])[1] == "confirmed"


def test_steps_undone_in_haste_are_taken_back_in_order(curator, photos):
    v = curator().start()
    v.press("Delete")
    v.wait_until_sent()
    v.press("ArrowLeft", "k")
    v.wait_until_sent()
    v.press("z", "z")
    v.page.wait_for_selector('[data-do="undo"]:disabled')
    v.wait_for_message("Undone: rejected")
    assert state(photos[0])[1] == "unreviewed"


def test_labels_that_cannot_be_loaded_show_an_error(curator, photos):
    v = curator()
    v.route("**/queue/labels/", lambda route: route.abort())
    v.start()
    v.press("/")
    v.page.wait_for_selector("#label-list li")
    assert "cannot be reached" in v.page.locator("#label-list").inner_text()
    v.press("Enter", "Escape")
    v.page.unroute("**/queue/labels/")
    v.press("/")
    v.page.wait_for_selector("#label-mules")


def test_messages_are_visible(curator, photos):
    v = curator().start()
    v.press("z")
    v.wait_for_message("nothing to undo")
    assert v.page.locator("#say").bounding_box()["height"] > 10


def test_kept_copies_that_are_decided_on_at_once_stay_decided(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.press("p")
    v.page.wait_for_selector("#compare table")
    held = []
    v.route(DECIDE, lambda route: held.append(route), times=1)
    v.press("k")
    v.page.wait_for_selector("#compare:not([open])", state="attached")
    v.press("k")
    wait_for_requests(v, held)
    held[0].continue_()
    v.wait_until_sent()
    decided = Review.objects.filter(action="confirm").get()
    v.wait(decided.image, "done")
    assert Finding.objects.filter(reason="near-duplicate", outcome="kept").count() == 2


def test_decision_undone_while_it_is_on_its_way_is_undone(curator, photos):
    v = curator().start()
    held = []
    v.route(DECIDE, lambda route: held.append(route), times=1)
    v.press("Delete", "z")
    wait_for_requests(v, held)
    held[0].continue_()
    v.wait_for_message("Undone: rejected")
    assert state(photos[0])[1] == "unreviewed"
    assert Review.objects.filter(image=photos[0], action="undo").exists()
    assert v.card(photos[0]).get_attribute("data-verdict") is None


def test_key_pressed_before_the_next_page_is_there_changes_nothing(curator, photos, settings):
    settings.QUEUE_PAGE_SIZE = 1
    v = curator().start()
    v.press("Delete", "k")
    v.page.wait_for_selector(f"#image-{photos[1].pk}")
    v.wait_until_sent()
    assert state(photos[0])[1] == "rejected" and state(photos[1])[1] == "unreviewed"
    v.press("k")
    v.page.wait_for_selector(f"#image-{photos[2].pk}")
    v.wait_until_sent()
    assert state(photos[1])[1] == "confirmed"


def test_view_that_cannot_be_loaded_leaves_the_previous_one(curator, photos):
    v = curator().start()
    v.page.wait_for_load_state("networkidle")
    v.route("**/queue/data/**", lambda route: route.abort())
    v.page.locator("fieldset[data-facet=source] .value", has_text="shop 1").click()
    v.wait_for_message("cannot be reached")
    assert "source" not in v.page.url and len(v.order()) == 6
    assert v.page.locator("#facets :checked").count() == 0
    v.page.unroute("**/queue/data/**")
    v.page.locator("fieldset[data-facet=source] .value", has_text="shop 1").click()
    v.page.wait_for_function("document.querySelectorAll('.card').length === 3")
    assert "source=shop+1" in v.page.url


def test_keys_apply_to_the_image_in_focus(curator, photos):
    v = curator().start()
    v.card(photos[2]).focus()  # as assistive technology does
    v.press("Delete")
    v.wait(photos[2], "done")
    v.wait_until_sent()
    assert state(photos[0])[1] == "unreviewed"


def test_count_is_right_after_copies_are_kept_and_after_undo(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    count = "n => document.getElementById('left').textContent === n"
    for key, left in (("k", "0"), ("z", "2")):
        if key == "k":
            v.press("p")
            v.page.wait_for_selector("#compare table")
        v.press(key)
        v.page.wait_for_function(count, arg=left)
        v.page.wait_for_load_state("networkidle")
        assert v.page.locator("#left").inner_text() == left


def test_accepting_several_copies_says_what_to_do(curator, photos):
    copies(photos)
    v = curator().start("?reason=near-duplicate")
    v.press("Space", "Shift+ArrowRight", "Enter")
    v.wait_for_message("one at a time")


def test_second_range_leaves_what_was_decided_before_alone(curator, photos):
    v = curator().start()
    v.press("Shift+ArrowRight", "Enter")
    v.wait(photos[1], "done")
    v.press("Delete", "Shift+ArrowRight")
    assert v.page.locator("#selected span").inner_text() == "2 selected"
    v.press("k")
    v.wait_until_sent()
    assert [state(photo) for photo in photos[:5]] == [
        ("mules", "confirmed"), ("mules", "confirmed"), ("sandals", "rejected"),
        ("sandals", "confirmed"), ("sandals", "confirmed"),
    ]  # fmt: skip


def test_range_over_decided_images_selects_the_others(curator, photos):
    v = curator().start()
    v.press("ArrowRight", "Delete", "Home", "Shift+ArrowRight", "Shift+ArrowRight")
    assert v.page.locator("#selected span").inner_text() == "2 selected"
