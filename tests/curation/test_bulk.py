"""Bulk relabelling and merging types: exactly what the preview showed, in one batch."""

import pytest

from curation.decisions import bulk, merge, undo
from curation.models import Review, ShoeImage, ShoeType
from tests import decisions
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim(member):
    return member("Curator")


@pytest.fixture
def images():
    boots, uggs = shoe_type(), shoe_type("uggs")
    ShoeImage.objects.bulk_create(
        [row(n, label=boots, state="confirmed" if n < 2 else "unreviewed") for n in range(5)]
        + [row(5, label=boots, state="rejected"), row(6, label=uggs), row(7, proposed=boots)]
        + [row(8, label=boots, state="purged", stored_sha256="")]
    )
    return ShoeImage.objects.order_by("pk")


def labels():
    rows = ShoeImage.objects.order_by("pk").values_list("label__slug", "proposed__slug", "state")
    return list(rows)


def test_a_preview_counts_by_label_and_state(images):
    shown = bulk.preview(images, shoe_type("uggs"))
    assert (shown.images, shown.confirmed, shown.unchanged) == (7, 2, 1)
    assert {(str(part.label), part.state): part.images for part in shown.parts} == {
        ("Chelsea boots", "unreviewed"): 3,
        ("Chelsea boots", "confirmed"): 2,
        ("Chelsea boots", "rejected"): 1,
        ("None", "unreviewed"): 1,
    }


def test_a_bulk_change_is_one_batch_keeps_states_and_is_undone(images, kim):
    before = labels()
    shown = bulk.preview(images, shoe_type("uggs"))
    batch = bulk.relabel(images, shoe_type("uggs"), kim, shown.expected, note="as agreed")
    after = labels()
    assert [state for *_, state in after] == [state for *_, state in before]
    assert {label for label, _, state in after if state != "purged"} == {"uggs"}
    rows = Review.objects.filter(batch=batch)
    assert (rows.count(), set(rows.values_list("action", "note"))) == (
        7, {("relabel", "as agreed")},
    )  # fmt: skip
    undo.undo_batch(batch, kim)
    assert labels() == before


def test_other_images_than_shown_are_refused(images, kim):
    shown = bulk.preview(images, shoe_type("uggs"))
    row(20, label=shoe_type()).save()
    with pytest.raises(bulk.BulkChanged, match="8 would get the label now"):
        bulk.relabel(ShoeImage.objects.all(), shoe_type("uggs"), kim, shown.expected)
    assert not Review.objects.exists()


def test_the_same_images_decided_on_meanwhile_are_refused(images, kim):
    shown = bulk.preview(images, shoe_type("uggs"))
    decisions.reject(images[2:3], kim)
    with pytest.raises(bulk.BulkChanged):
        bulk.relabel(images, shoe_type("uggs"), kim, shown.expected)


def test_a_queryset_with_an_order_or_a_limit_works_too(images, kim):
    some = images[:3]
    shown = bulk.preview(some, shoe_type("uggs"))
    assert shown.images == 3
    bulk.relabel(some, shoe_type("uggs"), kim, shown.expected)
    assert ShoeImage.objects.filter(label__slug="uggs").count() == 4


def test_thousands_change_in_a_number_of_queries_that_grows_by_batches(
    kim, django_assert_max_num_queries
):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(1200)])
    shown = bulk.preview(ShoeImage.objects.all(), shoe_type("uggs"))
    with django_assert_max_num_queries(80):
        bulk.relabel(ShoeImage.objects.all(), shoe_type("uggs"), kim, shown.expected)
    assert ShoeImage.objects.filter(label__slug="uggs").count() == 1200


def test_too_many_images_at_once_are_refused(images, kim, settings):
    shown = bulk.preview(images, shoe_type("uggs"))
    settings.BULK_MOST = 6
    with pytest.raises(bulk.BulkTooLarge, match="7 images are more than 6"):
        bulk.relabel(images, shoe_type("uggs"), kim, shown.expected)
    with pytest.raises(bulk.BulkTooLarge):
        bulk.preview(images, shoe_type("uggs"))


def test_a_merge_changes_labels_proposals_and_merged_into(images, kim):
    boots, uggs = shoe_type(), shoe_type("uggs")
    shown = merge.preview(boots, uggs)
    assert (shown.labels, shown.confirmed, shown.rejected, shown.proposals) == (6, 2, 1, 1)
    done = merge.merge(boots, uggs, kim)
    assert (done.labels, done.proposals, done.into) == (6, 1, uggs)
    assert not ShoeImage.objects.filter(label=boots).exclude(state="purged").exists()
    assert not ShoeImage.objects.filter(proposed=boots).exists()
    assert ShoeType.objects.get(pk=boots.pk).merged_into == uggs


@pytest.mark.parametrize("how", ["its own button", "the step"])
def test_an_undone_merge_leaves_no_trace_but_history(images, kim, how):
    before = labels()
    done = merge.merge(shoe_type(), shoe_type("uggs"), kim)
    if how == "the step":
        undo.undo_batch(done.batch, kim)
    else:
        taken = merge.unmerge(shoe_type(), kim)
        assert (len(taken.images), taken.overtaken) == (7, [])
    assert labels() == before
    assert shoe_type().merged_into is None


def test_an_undone_merge_leaves_alone_what_was_decided_since(images, kim):
    merge.merge(shoe_type(), shoe_type("uggs"), kim)
    decisions.relabel(images[:1], shoe_type("loafers"), kim)
    taken = merge.unmerge(shoe_type(), kim)
    assert taken.overtaken == [images[0].pk]
    assert labels()[0] == ("loafers", None, "confirmed")
    assert labels()[1][0] == "chelsea-boots"
    assert shoe_type().merged_into is None


def test_a_merge_without_images_is_undone_too(kim):
    merge.merge(shoe_type(), shoe_type("uggs"), kim)
    assert merge.unmerge(shoe_type(), kim).images == []
    assert shoe_type().merged_into is None


def test_what_came_in_under_a_merged_type_is_moved_by_merging_again(images, kim):
    merge.merge(shoe_type(), shoe_type("uggs"), kim)
    late = row(30, label=shoe_type())
    late.save()
    assert merge.merge(shoe_type(), shoe_type("uggs"), kim).labels == 1
    merge.unmerge(shoe_type(), kim)
    late.refresh_from_db()
    assert late.label == shoe_type()


def test_merging_into_a_merged_type_merges_into_the_one_that_stands_for_it(images, kim):
    merge.merge(shoe_type("uggs"), shoe_type("loafers"), kim)
    assert merge.merge(shoe_type(), shoe_type("uggs"), kim).into == shoe_type("loafers")
    assert shoe_type().merged_into == shoe_type("loafers")
    decisions.relabel(images[:1], shoe_type("uggs"), kim)
    assert images[0].label == shoe_type("loafers")


@pytest.mark.parametrize(
    ("merged", "into", "why"),
    [
        ("uggs", "uggs", "the same type"),
        ("loafers", "uggs", "was merged into it"),
        ("uggs", "mules", "undo that first"),
        ("other-shoe", "uggs", "only types of the guide"),
        ("mules", "not-a-shoe", "only types of the guide"),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(kim, merged, into, why):
    if merged != into:
        merge.merge(shoe_type("uggs"), shoe_type("loafers"), kim)
    with pytest.raises(merge.MergeRefused, match=why):
        merge.merge(shoe_type(merged), shoe_type(into), kim)
