"""SQLite's statistics are updated."""

import pytest
from django.db import connection
from django.db.models import Count

from curation.models import ShoeImage
from shoeproject import sqlite_analyze
from shoeproject.tasks import analyze_tables
from tests.factories import row

pytestmark = pytest.mark.django_db


def test_facets_of_many_values_are_counted_from_their_own_index():
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite needs ANALYZE")
    ShoeImage.objects.bulk_create(row(n, domain=f"shop{n % 40}.example") for n in range(2000))
    states = ShoeImage.objects.filter(state__in=["unreviewed", "confirmed"]).order_by()
    counts = states.values_list("domain").annotate(times=Count("pk"))
    sqlite_analyze.analyze()
    assert "image_facet_domain" in counts.explain()


def test_it_runs_on_every_database():
    analyze_tables()
    sqlite_analyze.analyze()
