"""Decisions: history for each, undo, and what is refused."""

import pytest

from curation.decisions import history, undo
from curation.models import Review, ShoeImage
from tests import decisions
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim(member):
    return member("Curator")


@pytest.fixture
def images():
    label = shoe_type()
    ShoeImage.objects.bulk_create([row(n, label=label) for n in range(3)])
    return ShoeImage.objects.order_by("pk")


def states():
    return list(ShoeImage.objects.order_by("pk").values_list("state", "label__slug"))


def test_confirming_adds_one_row_of_history_each(images, kim):
    batch = decisions.confirm(images, kim)
    assert states() == [("confirmed", "chelsea-boots")] * 3
    rows = Review.objects.filter(batch=batch)
    assert {(r.by, r.action, r.state_from, r.state_to) for r in rows} == {
        (kim, "confirm", "unreviewed", "confirmed")
    }


def test_confirming_a_proposal_makes_it_the_label(kim):
    row(1, proposed=shoe_type("uggs")).save()
    decisions.confirm(ShoeImage.objects.all(), kim)
    assert states() == [("confirmed", "uggs")]


def test_nothing_to_confirm_is_refused_and_nothing_changes(images, kim):
    row(9).save()
    with pytest.raises(history.DecisionRefused):
        decisions.confirm(ShoeImage.objects.all(), kim)
    assert Review.objects.count() == 0
    assert {state for state, _ in states()} == {"unreviewed"}


def test_somebody_who_looked_confirms_by_relabelling_and_a_bulk_change_does_not(images, kim):
    decisions.relabel(images[:1], shoe_type("uggs"), kim)
    decisions.relabel(images[1:2], shoe_type("uggs"), kim, looked=False)
    assert states()[:2] == [("confirmed", "uggs"), ("unreviewed", "uggs")]


def test_undo_restores_a_batch_and_adds_rows(images, kim):
    batch = decisions.reject(images, kim)
    before = Review.objects.count()
    undo.undo_batch(batch, kim)
    assert states() == [("unreviewed", "chelsea-boots")] * 3
    assert Review.objects.count() == before + 3
    assert Review.objects.filter(action="undo", undoes__batch=batch).count() == 3


def test_an_undo_cannot_be_undone(images, kim):
    again = undo.undo_batch(decisions.reject(images, kim), kim).batch
    with pytest.raises(history.DecisionRefused, match="decide anew"):
        undo.undo_batch(again, kim)


def test_undo_is_refused_after_a_later_decision(images, kim, member):
    batch = decisions.reject(images, kim)
    decisions.restore(images[:1], member("Curator", name="lee"))
    with pytest.raises(history.DecisionRefused):
        undo.undo_batch(batch, kim)
    assert [state for state, _ in states()] == ["unreviewed", "rejected", "rejected"]


def test_a_large_batch_takes_a_few_queries(kim, django_assert_max_num_queries):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(200)])
    with django_assert_max_num_queries(28):
        batch = decisions.reject(ShoeImage.objects.all(), kim)
    with django_assert_max_num_queries(28):
        undo.undo_batch(batch, kim)
    assert {state for state, _ in states()} == {"unreviewed"}
    assert Review.objects.count() == 400


def test_only_rejected_images_are_restored(images, kim):
    with pytest.raises(history.DecisionRefused):
        decisions.restore(images, kim)


def test_a_purged_image_cannot_be_decided_on(kim):
    row(1, state="purged", stored_sha256="", label=shoe_type()).save()
    with pytest.raises(history.DecisionRefused):
        decisions.confirm(ShoeImage.objects.all(), kim)
