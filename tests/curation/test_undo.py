"""Undo restores label, state and findings, and leaves other people's decisions alone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from curation.decisions.history import DecisionRefused
from curation.decisions.undo import SpanUndone, undo_batch, undo_on, undo_span
from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import AssessRun, Finding, Review, ShoeImage
from tests.decisions import confirm, leave, reject, relabel, restore
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim(member):
    return member("Curator")


@pytest.fixture
def lee(member):
    return member("Curator", name="lee")


@pytest.fixture
def images():
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(4)])
    images = list(ShoeImage.objects.order_by("pk"))
    run = AssessRun.objects.create()
    write.record(
        run,
        [
            NewFinding(images[0].pk, "label-issue", 0.9, suggested="uggs"),
            NewFinding(images[0].pk, "near-duplicate", 0.8, other=images[1].sha256),
            NewFinding(images[2].pk, "blurred", 0.5),
        ],
    )
    write.publish(run)
    findings.refresh([image.pk for image in images])
    return images


def everything():
    """All that a decision may change, as it stands."""
    images = ShoeImage.objects.order_by("pk").values_list(
        "pk", "label__slug", "proposed__slug", "state", "reasons", "priority"
    )
    rows = Finding.objects.order_by("image", "reason", "other").values_list(
        "image", "reason", "other", "suggested", "note", "silenced_by", "outcome", "batch"
    )
    return list(images), list(rows)


@pytest.mark.parametrize(
    "decide",
    [
        lambda images, by: confirm(images, by),
        lambda images, by: reject(images, by),
        lambda images, by: relabel(images, shoe_type("uggs"), by),
        lambda images, by: relabel(images, shoe_type("uggs"), by, looked=False),
        lambda images, by: leave(images, by, "Which boot is it?"),
    ],
    ids=["confirm", "reject", "relabel", "bulk", "leave"],
)
def test_everything_is_restored(images, kim, decide):
    before = everything()
    batch = decide(images, kim)
    assert everything() != before
    undo_batch(batch, kim)
    assert everything() == before


def test_undoing_a_restore_answers_the_same_findings_again(images, kim, lee):
    reject(images[:1], kim)
    before = everything()
    batch = restore(images[:1], lee)
    assert [f.reason for f in findings.standing([images[0].pk])[images[0].pk]] == [
        "near-duplicate", "label-issue",
    ]  # fmt: skip
    undo_batch(batch, lee)
    assert everything() == before


def test_steps_are_undone_one_after_the_other(images, kim):
    stages, batches = [everything()], []
    for decide in (
        lambda: leave(images[:2], kim, "first"),
        lambda: confirm(images[:1], kim),
        lambda: leave(images[:1], kim, "second"),
        lambda: reject(images[:1], kim),
    ):
        batches.append(decide())
        stages.append(everything())
    stages.pop()
    for stage in reversed(stages):
        taken = undo_batch(batches.pop(), kim)
        assert set(taken.images) <= {image.pk for image in images}
        open_now = Finding.objects.filter(silenced_at=None)
        noted = {(f.image_id, f.reason, f.note) for f in open_now}
        assert noted == {(s[0], s[1], s[4]) for s in stage[1] if not s[6]}
        assert everything()[0] == stage[0]


def test_an_undone_decision_does_not_block_an_earlier_undo(images, kim, lee):
    before = everything()
    batch = reject(images, kim)
    undo_batch(restore(images[:1], lee), lee)
    undo_batch(batch, kim)
    assert everything() == before


def test_undoing_twice_is_refused_in_words(images, kim):
    batch = reject(images, kim)
    undo_batch(batch, kim)
    with pytest.raises(DecisionRefused, match="taken back already"):
        undo_batch(batch, kim)


def test_undoing_a_step_leaves_a_colleagues_alone(images, kim, lee):
    batch = reject(images[:1], kim)
    reject(images[1:2], lee)
    taken = undo_batch(batch, kim)
    assert (taken.images, taken.overtaken) == ([images[0].pk], [])
    assert Review.objects.filter(batch=taken.batch, action="undo").count() == 1
    assert ShoeImage.objects.get(state="rejected") == images[1]


def test_a_step_that_somebody_decided_on_since_stays(images, kim, lee):
    batch = reject(images[:2], kim)
    restore(images[:1], lee)
    with pytest.raises(DecisionRefused, match="decided on it since"):
        undo_batch(batch, kim)


def test_a_span_leaves_alone_what_others_decided_since(images, kim, lee):
    confirm(images[3:], kim)
    since = timezone.now()
    confirm(images[:3], kim)
    relabel(images[:1], shoe_type("uggs"), kim)
    reject(images[1:2], lee)
    until = timezone.now() + timedelta(seconds=1)
    done = undo_span(kim, since, until, by=lee)
    assert done == SpanUndone(undone=3, overtaken=1)
    assert list(ShoeImage.objects.order_by("pk").values_list("state", "label__slug")) == [
        ("unreviewed", "chelsea-boots"),
        ("rejected", "chelsea-boots"),
        ("unreviewed", "chelsea-boots"),
        ("confirmed", "chelsea-boots"),
    ]
    assert set(Review.objects.filter(action="undo").values_list("by", flat=True)) == {lee.pk}
    assert undo_span(kim, since, until, by=lee).undone == 0


def test_a_span_of_many_small_steps_takes_few_queries_each(kim, django_assert_max_num_queries):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(60)])
    since = timezone.now()
    for image in ShoeImage.objects.all():
        reject([image], kim)
    with django_assert_max_num_queries(100):
        done = undo_span(kim, since, timezone.now() + timedelta(seconds=1), by=kim)
    assert done.undone == 60


def test_a_label_that_was_merged_since_is_not_restored(images, kim):
    batch = relabel(images[:1], shoe_type("uggs"), kim)
    boots = shoe_type()
    boots.merged_into = shoe_type("brogues")
    boots.save()
    undo_batch(batch, kim)
    images[0].refresh_from_db()
    assert images[0].label == shoe_type("brogues")


def test_the_newest_steps_on_some_images_are_undone_whole(images, kim, lee):
    before = everything()
    confirm(images, kim)
    undo_batch(reject(images[:1], lee), lee)
    relabel(images[:1], shoe_type("uggs"), lee)
    assert undo_on(images[:2], kim) == 5
    assert everything() == before
    assert undo_on(images[:2], kim) == 0
