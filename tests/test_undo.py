"""What is undone is as it was: label, state, findings; and nobody else's decision goes with it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from curation import findings, review
from curation.models import AssessRun, Finding, Review, ShoeImage
from curation.undo import SpanUndone
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
    findings.record(
        run,
        [
            findings.Found(images[0].pk, "label-issue", 0.9, suggested="uggs"),
            findings.Found(images[0].pk, "near-duplicate", 0.8, other=images[1].sha256),
            findings.Found(images[2].pk, "blurred", 0.5),
        ],
    )
    findings.publish(run)
    findings.refresh([image.pk for image in images])
    return images


def everything():
    """All that a decision may change, as it stands."""
    images = ShoeImage.objects.order_by("pk").values_list(
        "pk", "label__slug", "proposed__slug", "state", "reasons", "priority"
    )
    said = Finding.objects.order_by("image", "reason", "other").values_list(
        "image", "reason", "other", "suggested", "note", "silenced_by", "outcome", "batch"
    )
    return list(images), list(said)


@pytest.mark.parametrize(
    "decide",
    [
        lambda images, by: review.confirm(images, by),
        lambda images, by: review.reject(images, by),
        lambda images, by: review.relabel(images, shoe_type("uggs"), by),
        lambda images, by: review.relabel(images, shoe_type("uggs"), by, looked=False),
        lambda images, by: review.leave(images, by, "Which boot is it?"),
    ],
    ids=["confirm", "reject", "relabel", "bulk", "leave"],
)
def test_everything_is_as_it_was(images, kim, decide):
    before = everything()
    batch = decide(images, kim)
    assert everything() != before
    review.undo(batch, kim)
    assert everything() == before


def test_an_undone_restoring_is_rejected_for_the_same_findings(images, kim, lee):
    review.reject(images[:1], kim)
    before = everything()
    batch = review.restore(images[:1], lee)
    assert [f.reason for f in findings.live([images[0].pk])[images[0].pk]] == [
        "near-duplicate", "label-issue",
    ]  # fmt: skip
    review.undo(batch, lee)
    assert everything() == before


def test_steps_are_undone_one_after_the_other(images, kim):
    stages = [everything()]
    for decide in (
        lambda: review.leave(images[:2], kim, "first"),
        lambda: review.confirm(images[:1], kim),
        lambda: review.leave(images[:1], kim, "second"),
        lambda: review.reject(images[:1], kim),
    ):
        decide()
        stages.append(everything())
    stages.pop()
    for stage in reversed(stages):
        taken = review.undo_last(kim)
        assert set(taken.images) <= {image.pk for image in images}
        open_now = Finding.objects.filter(silenced_at=None)
        noted = {(f.image_id, f.reason, f.note) for f in open_now}
        assert noted == {(s[0], s[1], s[4]) for s in stage[1] if not s[6]}
        assert everything()[0] == stage[0]
    assert review.undo_last(kim) is None


def test_a_colleagues_undone_decision_is_in_nobodys_way(images, kim, lee):
    before = everything()
    batch = review.reject(images, kim)
    review.undo(review.restore(images[:1], lee), lee)
    review.undo(batch, kim)
    assert everything() == before


def test_undoing_twice_is_refused_in_words(images, kim):
    batch = review.reject(images, kim)
    review.undo(batch, kim)
    with pytest.raises(review.DecisionRefused, match="taken back already"):
        review.undo(batch, kim)


def test_the_last_step_is_this_persons_and_not_a_colleagues(images, kim, lee):
    review.reject(images[:1], kim)
    review.reject(images[1:2], lee)
    taken = review.undo_last(kim)
    assert (taken.images, taken.overtaken) == ([images[0].pk], [])
    assert Review.objects.filter(batch=taken.batch, action="undo").count() == 1
    assert review.undo_last(kim) is None


def test_a_last_step_that_somebody_decided_on_since_stays(images, kim, lee):
    review.reject(images[:2], kim)
    review.restore(images[:1], lee)
    with pytest.raises(review.DecisionRefused, match="decided on it since"):
        review.undo_last(kim)


def test_a_span_leaves_alone_what_others_decided_since(images, kim, lee):
    review.confirm(images[3:], kim)
    since = timezone.now()
    review.confirm(images[:3], kim)
    review.relabel(images[:1], shoe_type("uggs"), kim)
    review.reject(images[1:2], lee)
    until = timezone.now() + timedelta(seconds=1)
    done = review.undo_span(kim, since, until, by=lee)
    assert done == SpanUndone(undone=3, overtaken=1)
    assert list(ShoeImage.objects.order_by("pk").values_list("state", "label__slug")) == [
        ("unreviewed", "chelsea-boots"),
        ("rejected", "chelsea-boots"),
        ("unreviewed", "chelsea-boots"),
        ("confirmed", "chelsea-boots"),
    ]
    assert set(Review.objects.filter(action="undo").values_list("by", flat=True)) == {lee.pk}
    assert review.undo_span(kim, since, until, by=lee).undone == 0


def test_a_span_of_many_small_steps_takes_few_queries_each(kim, django_assert_max_num_queries):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(60)])
    since = timezone.now()
    for image in ShoeImage.objects.all():
        review.reject([image], kim)
    with django_assert_max_num_queries(100):
        done = review.undo_span(kim, since, timezone.now() + timedelta(seconds=1), by=kim)
    assert done.undone == 60


def test_a_type_merged_meanwhile_gets_no_image_back(images, kim):
    batch = review.relabel(images[:1], shoe_type("uggs"), kim)
    boots = shoe_type()
    boots.merged_into = shoe_type("brogues")
    boots.save()
    review.undo(batch, kim)
    images[0].refresh_from_db()
    assert images[0].label == shoe_type("brogues")


def test_the_newest_steps_on_some_images_are_undone_whole(images, kim, lee):
    before = everything()
    review.confirm(images, kim)
    review.undo(review.reject(images[:1], lee), lee)
    review.relabel(images[:1], shoe_type("uggs"), lee)
    assert review.undo_on(images[:2], kim) == 5
    assert everything() == before
    assert review.undo_on(images[:2], kim) == 0
