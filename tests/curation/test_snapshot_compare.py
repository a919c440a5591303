"""What differs between two snapshots, and the page that shows it."""

import pytest
from django.core.files.storage import storages
from django.urls import reverse

from curation.decisions import decide
from curation.models import ShoeImage, Snapshot
from curation.snapshots import freeze
from curation.snapshots.compare import compare
from curation.snapshots.manifest import ManifestLine
from tests.factories import row, shoe_type

PAGE = "admin:curation_snapshot_compare"


def line(number: int, label="uggs", **facts) -> ManifestLine:
    known = {"split": "train", "group": "", "source": "shop", "scene": "unknown", "licence": "CC0"}
    return ManifestLine(f"{number:064x}", f"{number:064x}", label, **{**known, **facts})


def test_added_removed_and_unchanged_images():
    found = compare([line(1), line(2), line(4)], [line(2), line(3), line(4), line(5)])
    assert [one.sha256[-1] for one in found.added] == ["3", "5"]
    assert [one.sha256[-1] for one in found.removed] == ["1"]
    assert (found.unchanged, found.relabelled, found.changed) == (2, [], [])


def test_label_changes_are_counted():
    before = [line(n, "uggs") for n in range(4)]
    after = [line(0, "mules"), line(1, "mules"), line(2, "clogs", licence="none"), line(3)]
    found = compare(before, after)
    assert found.label_changes == [("uggs", "mules", 2), ("uggs", "clogs", 1)]
    assert found.labels == {"clogs": (0, 1), "mules": (0, 2), "uggs": (4, 1)}
    assert found.changed == []


def test_other_changes_are_counted_by_fact():
    before = [line(n) for n in range(3)]
    after = [line(0, scene="street"), line(1, scene="street", licence="CC BY"), line(2)]
    found = compare(before, after)
    assert found.facts == {"scene": 2, "licence": 1}
    assert found.unchanged == 1


def test_empty_snapshots():
    assert len(compare([], [line(1)]).added) == 1
    assert len(compare([line(1)], []).removed) == 1
    assert compare([], []).labels == {}


def test_manifests_that_are_not_sorted_are_refused():
    with pytest.raises(ValueError, match="not sorted"):
        compare([line(2), line(1)], [line(3)])


def test_only_differences_are_kept():
    """A manifest is read as a stream, once."""
    found = compare(iter([line(n) for n in range(500)]), iter([line(n) for n in range(500)]))
    assert found.unchanged == 500
    assert (found.added, found.removed, found.relabelled, found.changed) == ([], [], [], [])


# --- the page ---------------------------------------------------------------------------------


@pytest.fixture
def frozen(db, member):
    """Two snapshots: of 30 images, 4 were relabelled, 3 rejected, and 2 came."""
    label = shoe_type()
    ShoeImage.objects.bulk_create(row(n, label=label) for n in range(30))
    first = freeze.freeze("first", freeze.Filter())
    images, kim = list(ShoeImage.objects.order_by("pk")), member("Curator")
    decide.decide("relabel", images[:4], kim, label=shoe_type("uggs"))
    decide.decide("reject", images[4:7], kim)
    ShoeImage.objects.bulk_create(row(n, label=label, source="new") for n in (100, 101))
    ShoeImage.objects.filter(pk=images[10].pk).update(licence="CC BY")
    return first, freeze.freeze("second", freeze.Filter())


@pytest.fixture
def curator(client, member):
    client.force_login(member("Curator", name="cleo"))
    return client


def test_the_page_shows_the_differences(curator, frozen):
    a, b = frozen
    page = curator.get(reverse(PAGE), {"a": a.pk, "b": b.pk})
    assert page.status_code == 200
    found = page.context["comparison"]
    assert (len(found.added), len(found.removed), found.unchanged) == (2, 3, 22)
    text = page.content.decode()
    image = ShoeImage.objects.get(sha256=found.removed[0].sha256)
    assert reverse("admin:curation_shoeimage_change", args=[image.pk]) in text
    assert "Chelsea boots" in text and "Uggs" in text


def test_pictures_are_limited_and_looked_up_at_once(
    curator, frozen, settings, django_assert_num_queries
):
    a, b = frozen
    url, query = reverse(PAGE), {"a": a.pk, "b": b.pk}
    settings.SNAPSHOT_COMPARE_SHOWN = 2
    text = curator.get(url, query).content.decode()
    assert text.count("<img") == 2 + 2 + 2 + 1
    assert "2 of 4" in text
    for shown in (1, 60):
        settings.SNAPSHOT_COMPARE_SHOWN = shown
        # Session, user, two for permissions; snapshots, images, names of types.
        with django_assert_num_queries(7):
            curator.get(url, query)


def test_a_purged_picture_has_no_link_to_a_file(curator, frozen):
    a, b = frozen
    gone = ShoeImage.objects.filter(state="rejected").first()
    ShoeImage.objects.filter(pk=gone.pk).update(state="purged", stored_sha256="")
    text = curator.get(reverse(PAGE), {"a": a.pk, "b": b.pk}).content.decode()
    assert text.count("<img") == 4 + 2 + 2 + 1
    assert "removed" in text


def test_two_are_chosen_in_the_list_or_on_the_page(curator, frozen):
    a, b = frozen
    chosen = {"action": "compare_snapshots", "_selected_action": [b.pk, a.pk]}
    response = curator.post(reverse("admin:curation_snapshot_changelist"), chosen)
    assert response.status_code == 302
    assert response["Location"] == f"{reverse(PAGE)}?a={a.pk}&b={b.pk}"  # the older one first
    one = {**chosen, "_selected_action": [a.pk]}
    page = curator.post(reverse("admin:curation_snapshot_changelist"), one, follow=True)
    assert "Choose exactly two snapshots" in page.content.decode()
    assert reverse(PAGE) in page.content.decode()


def test_before_two_are_chosen_the_page_asks_for_them(curator, frozen):
    page = curator.get(reverse(PAGE))
    assert page.context.get("comparison") is None
    assert page.content.decode().count("<select") == 2


@pytest.mark.parametrize("query", [{"a": "x", "b": "1"}, {"a": "999", "b": "1"}, {"a": "1"}])
def test_unknown_snapshots_are_refused_in_words(curator, frozen, query):
    page = curator.get(reverse(PAGE), query)
    assert page.status_code == 200
    assert page.context.get("comparison") is None
    assert "errorlist" in page.content.decode()


def test_a_damaged_manifest_is_reported(curator, frozen):
    a, b = frozen
    storages["media"].delete(b.manifest_name)
    page = curator.get(reverse(PAGE), {"a": a.pk, "b": b.pk})
    assert "restore it from a backup" in page.content.decode()


def test_only_those_who_may_see_snapshots(client, member, frozen):
    assert client.get(reverse(PAGE)).status_code == 302
    client.force_login(member(name="nobody"))
    assert client.get(reverse(PAGE)).status_code == 403
    client.force_login(member("Trainer", name="tra"))
    assert client.get(reverse(PAGE)).status_code == 200


def test_an_empty_installation_has_nothing_to_compare(curator, db):
    assert Snapshot.objects.count() == 0
    page = curator.get(reverse(PAGE))
    assert "Freeze two snapshots first" in page.content.decode()
