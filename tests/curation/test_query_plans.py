"""Frequent queries use their indexes, on SQLite and on PostgreSQL."""

import pytest
from django.db import connection
from django.db.models import Count, Q

from curation.models import Review, ShoeImage
from curation.similarity import perceptual_hash
from curation.snapshots import freeze
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd():
    """Enough rows, of which each query wants few, for a planner to prefer an index."""
    label, other = shoe_type("uggs"), shoe_type("mules")
    ShoeImage.objects.bulk_create(
        row(
            n,
            label=label if n % 40 == 0 else other,
            state="unreviewed" if n % 25 == 0 else "rejected",
            source=f"shop {n % 20}",
            priority=n % 97 / 97,
        )
        for n in range(6000)
    )
    images = list(ShoeImage.objects.all()[:500])
    Review.objects.bulk_create(
        Review(image=image, action="confirm", state_to="confirmed") for image in images * 6
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plan(queryset) -> str:
    return queryset.explain()


def test_queue_page_by_priority(crowd):
    page = ShoeImage.objects.filter(state="unreviewed").order_by("-priority", "id")[:50]
    assert "image_queue" in plan(page)
    assert "TEMP B-TREE" not in plan(page)
    assert "Sort" not in plan(page)


def test_queue_page_of_one_label(crowd):
    page = ShoeImage.objects.filter(state="unreviewed", label=shoe_type("uggs"))
    assert "image_queue_by_label" in plan(page.order_by("-priority", "id")[:50])


def test_facet_counts(crowd):
    unreviewed = ShoeImage.objects.filter(state="unreviewed").order_by()
    labels = unreviewed.values("label").annotate(n=Count("pk"))
    assert "image_facets" in plan(labels)
    for facet in ("source", "domain", "collection"):
        assert "image_facet" in plan(unreviewed.values(facet).annotate(n=Count("*")))


def test_near_duplicate_lookup(crowd):
    bands = perceptual_hash.bands(0x0123456789ABCDEF)
    near = Q()
    for number, band in enumerate(bands):
        near |= Q(**{f"band{number}__in": perceptual_hash.band_neighbours(band)})
    text = plan(ShoeImage.objects.filter(near).order_by())
    for number in range(4):
        assert f"band{number}" in text
    assert "Seq Scan" not in text
    assert "SCAN curation_shoeimage" not in text


def test_snapshot_from_a_filter(crowd):
    # Few pass: what takes a good part of the table is rightly read from end to end.
    chosen = freeze.Filter(min_size=290, confirmed=False).images()
    assert "image_snapshot" in plan(chosen)


def test_history_of_an_image(crowd):
    image = ShoeImage.objects.first()
    history = Review.objects.filter(image=image).order_by("-id")
    assert "review_history" in plan(history)
    assert "TEMP B-TREE" not in plan(history)
