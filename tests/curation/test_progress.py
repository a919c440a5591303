"""The progress board: its numbers and its links."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from curation.decisions import decide, undo
from curation.issues import findings, write
from curation.models import AssessRun, Review, ShoeImage
from curation.queue.filter import Filter
from curation.reports import progress
from curation.reports.intervals import wilson
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db
PAGE = "admin:curation_board"


@pytest.fixture
def kim(member):
    return member("Curator")


@pytest.fixture
def curator(client, kim):
    client.force_login(kim)
    return client


@pytest.fixture(autouse=True)
def two_are_enough(settings):
    settings.BOARD_MIN_DECIDED = 2
    settings.BOARD_FEW_IMAGES = 3


def images(number, start=0, slug="chelsea-boots", **fields):
    label = {"label": shoe_type(slug)} if slug else {}
    return ShoeImage.objects.bulk_create(
        row(n, **label, **fields) for n in range(start, start + number)
    )


def error_rate(what, key) -> progress.ErrorRate | None:
    return next((row for row in progress.read_board().error_rates[what] if row.key == key), None)


def wrong(row: progress.ErrorRate) -> tuple[int, int, int]:
    return row.rejected, row.relabelled, row.decided


# --- states and balance -----------------------------------------------------------------------


def test_images_by_state_and_type(kim):
    rows = images(6)
    images(2, 10, slug=None, proposed=shoe_type("uggs"))
    images(1, 20, state="purged", stored_sha256="")
    decide.decide("confirm", rows[:3], kim)
    decide.decide("reject", rows[3:4], kim)
    shown = progress.read_board()
    assert shown.states == {"unreviewed": 4, "confirmed": 3, "rejected": 1, "purged": 1}
    types = {row.slug: row for row in shown.types}
    boots = types["chelsea-boots"]
    assert (boots.confirmed, boots.unreviewed, boots.rejected) == (3, 2, 1)
    assert types["uggs"].unreviewed == 2
    assert "none" not in types


def test_types_with_few_images_are_flagged(kim):
    rows = images(3)
    types = {row.slug: row for row in progress.read_board().types}
    assert (types["chelsea-boots"].few, types["uggs"].few) == (False, True)
    decide.decide("reject", rows[:1], kim)
    assert next(row for row in progress.read_board().types if row.slug == "chelsea-boots").few


def test_images_without_a_type_have_a_row():
    images(2, slug=None)
    last = progress.read_board().types[-1]
    assert (last.slug, last.unreviewed) == ("none", 2)


def test_a_merged_type_is_listed_only_while_images_have_it():
    images(1, slug="uggs")
    uggs, mules = shoe_type("uggs"), shoe_type("mules")
    for merged in (uggs, mules):
        merged.merged_into = shoe_type()
        merged.save()
    slugs = [row.slug for row in progress.read_board().types]
    assert "uggs" in slugs and "mules" not in slugs


# --- error rates ------------------------------------------------------------------------------


def test_errors_are_rejected_images_and_those_whose_first_label_was_changed(kim):
    rows = images(10, domain="shop.example", query="black boots")
    decide.decide("confirm", rows[:5], kim)
    decide.decide("reject", rows[5:6], kim)
    decide.decide("relabel", rows[6:8], kim, label=shoe_type("uggs"))
    for what, key in (
        ("type", "chelsea-boots"), ("domain", "shop.example"), ("query", "black boots"),
    ):  # fmt: skip
        assert wrong(error_rate(what, key)) == (1, 2, 8)
    assert error_rate("type", "uggs") is None
    assert error_rate("type", "chelsea-boots").rate == 3 / 8


def test_the_first_label_of_a_proposal_is_the_proposal(kim):
    rows = images(4, slug=None, proposed=shoe_type("mules"))
    decide.decide("confirm", rows[:2], kim)
    decide.decide("relabel", rows[2:3], kim, label=shoe_type("uggs"))
    decide.decide("relabel", rows[2:3], kim, label=shoe_type("brogues"))
    assert wrong(error_rate("type", "mules")) == (0, 1, 3)


def test_relabelled_and_then_rejected_counts_for_the_first_label(kim):
    rows = images(3)
    decide.decide("confirm", rows[:2], kim)
    decide.decide("relabel", rows[2:], kim, label=shoe_type("uggs"))
    decide.decide("reject", rows[2:], kim)
    assert wrong(error_rate("type", "chelsea-boots")) == (1, 0, 3)


def test_an_undone_relabelling_is_no_error(kim):
    rows = images(4)
    decide.decide("confirm", rows[:2], kim)
    done = decide.decide("relabel", rows[2:], kim, label=shoe_type("uggs"))
    undo.undo_batch(done.batch, kim)
    assert wrong(error_rate("type", "chelsea-boots")) == (0, 0, 2)
    decide.decide("relabel", rows[2:], kim, label=shoe_type("uggs"))
    decide.decide("relabel", rows[2:], kim, label=shoe_type())
    assert wrong(error_rate("type", "chelsea-boots")) == (0, 0, 4)


def test_an_image_without_a_first_label_counts_for_no_type(kim):
    rows = images(3, slug=None, domain="shop.example")
    decide.decide("relabel", rows, kim, label=shoe_type("uggs"))
    assert error_rate("type", "uggs") is None
    assert wrong(error_rate("domain", "shop.example")) == (0, 0, 3)


def test_a_merge_is_no_error(kim):
    rows = images(3)
    decide.decide("relabel", rows, kim, label=shoe_type("uggs"))
    boots = shoe_type()
    boots.merged_into = shoe_type("uggs")
    boots.save()
    assert wrong(error_rate("type", "uggs")) == (0, 0, 3)


def test_few_decisions_give_no_rate_and_the_surest_errors_come_first(kim, settings):
    settings.BOARD_MIN_DECIDED = 3
    decide.decide("confirm", images(2, 0, domain="two.example"), kim)
    some = images(4, 10, domain="some.example")
    decide.decide("reject", some[:3], kim)
    decide.decide("confirm", some[3:], kim)
    all_wrong = images(30, 20, domain="all.example")
    decide.decide("reject", all_wrong, kim)
    good = images(30, 60, domain="good.example")
    decide.decide("confirm", good, kim)
    keys = [row.key for row in progress.read_board().error_rates["domain"]]
    assert keys == ["all.example", "some.example", "good.example"]


def test_the_interval_is_wilsons():
    row = progress.ErrorRate("k", "k", decided=263, rejected=80, relabelled=1)
    assert row.interval == wilson(81, 263)
    assert row.interval == pytest.approx([0.2553, 0.3662], abs=1e-4)


# --- findings ---------------------------------------------------------------------------------


def test_open_findings_with_measured_precision_and_number_of_decisions(kim):
    rows = images(5)
    for image in rows:
        write.add_finding(image, "blurred")
    write.add_finding(rows[0], "left")
    decide.decide("reject", rows[1:2], kim)
    decide.decide("confirm", rows[2:3], kim)
    reasons = {row.slug: row for row in progress.read_board().reasons}
    blurred = reasons["blurred"]
    assert (blurred.images, blurred.decisions) == (3, 2)
    assert blurred.precision == findings.measured_precision()["blurred"]
    assert (reasons["left"].images, reasons["tiny"].images) == (1, 0)


def test_the_last_assessment_and_the_types_it_confuses():
    assert progress.read_board().run is None
    assert progress.read_board().overlap == []
    run = AssessRun.objects.create(
        model_name="net", images=5, report={"overlapping": [["uggs", "mules", 12]]}
    )
    AssessRun.objects.create(model_name="a later one that does not count yet")
    write.publish(run)
    shown = progress.read_board()
    assert shown.run == run
    assert shown.overlap == [("uggs", "mules", shoe_type("uggs").name, shoe_type("mules").name, 12)]


# --- decisions --------------------------------------------------------------------------------


def test_decisions_of_each_day_and_person(kim, member, settings):
    settings.BOARD_DAYS = 3
    ana = member("Curator", name="ana")
    rows = images(6)
    decide.decide("confirm", rows[:2], kim)
    done = decide.decide("reject", rows[2:5], ana)
    undo.undo_batch(done.batch, ana)  # the decisions were made, the undoing is none
    Review.objects.filter(image=rows[0].pk).update(at=timezone.now() - timedelta(days=2))
    Review.objects.filter(image=rows[1].pk).update(at=timezone.now() - timedelta(days=40))
    shown = progress.read_board()
    assert [(one.name, one.days) for one in shown.people] == [
        ("ana", [0, 0, 3]),
        ("kim", [1, 0, 0]),
    ]
    assert (shown.everybody.days, shown.everybody.total) == ([1, 0, 3], 4)
    assert shown.days[-1] == timezone.localdate()


def test_days_are_those_of_the_projects_time_zone(kim, settings, monkeypatch):
    settings.TIME_ZONE, settings.BOARD_DAYS = "Pacific/Auckland", 2
    timezone.get_default_timezone.cache_clear()
    try:
        (image,) = images(1)
        decide.decide("confirm", [image], kim)
        midnight = datetime.combine(timezone.localdate(), datetime.min.time())
        late = timezone.make_aware(midnight).astimezone(UTC) - timedelta(minutes=20)
        Review.objects.filter(image=image.pk).update(at=late)
        assert progress.read_board().everybody.days == [1, 0]
    finally:
        settings.TIME_ZONE = "UTC"
        timezone.get_default_timezone.cache_clear()


# --- the page ---------------------------------------------------------------------------------


def test_numbers_link_to_the_queue(curator, kim):
    rows = images(6, domain="shop.example", query="boots & more")
    write.add_finding(rows[0], "blurred")
    decide.decide("reject", rows[1:3], kim)
    text = curator.get(reverse(PAGE)).content.decode()
    for query in (
        "?state=rejected",
        "?given=chelsea-boots&amp;state=unreviewed",
        "?domain=shop.example&amp;state=confirmed&amp;state=rejected",
        "?reason=blurred",
        "?query__exact=boots+%26+more&amp;state__in=confirmed,rejected",
    ):
        assert query in text
    address = reverse("admin:curation_shoeimage_changelist")
    found = curator.get(address, {"query__exact": "boots & more", "state__exact": "rejected"})
    assert found.context["cl"].result_count == 2


def test_every_number_is_what_the_queue_shows_there(curator, kim):
    rows = images(8, domain="shop.example")
    images(2, 20, slug=None)
    for image in rows[:3]:
        write.add_finding(image, "blurred")
    decide.decide("reject", rows[2:4], kim)
    decide.decide("confirm", rows[4:7], kim)
    text = curator.get(reverse(PAGE)).content.decode()
    found = re.findall(r'href="[^"]*/queue/\?([^"]*)">([0-9,]+)<', text)
    assert len(found) > 8
    for address, number in found:
        chosen = Filter.from_query(QueryDict(unescape(address)))
        assert chosen.images().count() == int(number.replace(",", "")), address


def test_no_inline_style_or_script(curator, kim):
    decide.decide("confirm", images(3), kim)
    text = curator.get(reverse(PAGE)).content.decode().partition('id="content-main"')[2]
    assert "style=" not in text and "<script" not in text


def test_an_empty_installation_says_what_to_do(curator):
    page = curator.get(reverse(PAGE))
    assert "There are no images yet" in page.content.decode()


def test_queries_do_not_grow_with_the_images(curator, kim, django_assert_num_queries):
    # Session, user, two for permissions; then one each for counts, types, the current run, sites,
    # searches, relabelled images, answered findings, precision, and decisions.
    for start in (0, 100):
        rows = images(40, start, domain=f"{start}.example", query=f"query {start}")
        decide.decide("relabel", rows[:10], kim, label=shoe_type("uggs"))
        write.add_finding(rows[20], "blurred")
        with django_assert_num_queries(13):
            curator.get(reverse(PAGE))


def test_long_tables_are_cut(curator, kim, settings):
    settings.BOARD_ROWS = 2
    for number in range(3):
        rows = images(2, 10 * number, domain=f"{number}.example")
        decide.decide("confirm", rows, kim)
    text = curator.get(reverse(PAGE)).content.decode()
    assert "2 of 3." in text and "2.example" not in text


def test_only_those_who_may_see_images(client, member):
    assert client.get(reverse(PAGE)).status_code == 302
    client.force_login(member(name="nobody"))
    assert client.get(reverse(PAGE)).status_code == 403
    client.force_login(member("Trainer", name="tra"))
    assert client.get(reverse(PAGE)).status_code == 200


def test_the_list_of_images_links_to_the_board(curator):
    text = curator.get(reverse("admin:curation_shoeimage_changelist")).content.decode()
    assert reverse(PAGE) in text
