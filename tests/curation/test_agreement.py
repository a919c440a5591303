"""Agreement of people who judged the same images."""

import pytest

from curation.decisions import merge, undo
from curation.models import ShoeImage
from curation.reports import agreement
from tests import decisions
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(member):
    return [member("Curator", name=name) for name in ("ann", "ben", "cat")]


@pytest.fixture
def images():
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(10)])
    return ShoeImage.objects.order_by("pk")


def test_nobody_judged_anything_twice(images, people):
    decisions.confirm(images, people[0])
    found = agreement.measure_agreement()
    assert (found.images, found.agree, found.kappa, found.pairs) == (0, None, None, [])


def test_kappa_of_two_people_is_cohens(images, people):
    # The textbook's table: 4 times both keep, 3 times both reject, 1 and 2 times they differ.
    ann, ben, _ = people
    decisions.confirm(images[:6], ann)
    decisions.reject(images[6:], ann)
    decisions.confirm(images[:4], ben)
    decisions.reject(images[4:9], ben)
    decisions.relabel(images[9:], shoe_type(), ben)
    found = agreement.measure_agreement()
    assert found.images == 10
    assert found.agree == pytest.approx(0.7)
    chance = 0.6 * 0.5 + 0.4 * 0.5
    assert found.kappa == pytest.approx((0.7 - chance) / (1 - chance))
    pair = found.pairs[0]
    assert (pair.first, pair.second, pair.images) == (ann, ben, 10)
    assert pair.kappa == pytest.approx(found.kappa)
    assert found.disagreeing == 3
    assert [d.image.pk for d in found.disagreements] == [images[i].pk for i in (9, 5, 4)]
    assert found.disagreements[1].verdicts == [(ann, "Chelsea boots"), (ben, "rejected")]


def test_only_the_last_judgement_that_stands_counts(images, people):
    ann, ben, _ = people
    decisions.reject(images[:1], ann)
    decisions.confirm(images[:1], ann)
    decisions.confirm(images[:1], ben)
    undo.undo_batch(decisions.reject(images[:1], ben), ben)
    found = agreement.measure_agreement()
    assert (found.images, found.agree, found.disagreements) == (1, 1.0, [])
    assert found.kappa is None  # both only ever said one thing


def test_bulk_changes_are_no_judgement(images, people):
    ann, ben, cat = people
    decisions.confirm(images[:2], ann)
    undo.undo_batch(decisions.relabel(images[:1], shoe_type("loafers"), ben), ben)
    decisions.leave(images[:2], ben, "Is it?")
    fresh = images[5:7]
    decisions.relabel(fresh, shoe_type("loafers"), ben, looked=False)
    decisions.confirm(fresh, ann)
    merge.merge(shoe_type(), shoe_type("uggs"), cat)
    assert agreement.measure_agreement().images == 0


def test_a_merged_type_counts_as_the_type_that_stands_for_it(images, people):
    ann, ben, cat = people
    decisions.confirm(images[:1], ann)
    merge.merge(shoe_type(), shoe_type("uggs"), cat)
    decisions.confirm(images[:1], ben)
    assert agreement.measure_agreement().agree == 1.0


def test_each_pair_has_its_own_figures(images, people):
    ann, ben, cat = people
    for person in people:
        decisions.confirm(images[:4], person)
    decisions.reject(images[3:4], cat)
    found = agreement.measure_agreement(limit=1)
    shares = {(p.first.username, p.second.username): p.agree for p in found.pairs}
    assert shares == {("ann", "ben"): 1.0, ("ann", "cat"): 0.75, ("ben", "cat"): 0.75}
    assert found.agree == 0.75
    assert len(found.disagreements) == found.disagreeing == 1


def test_more_images_take_no_more_queries(images, people, django_assert_max_num_queries):
    for person in people:
        decisions.confirm(images, person)
    decisions.reject(images[:8], people[0])
    with django_assert_max_num_queries(9):
        found = agreement.measure_agreement()
        assert [str(d.image) for d in found.disagreements]
