"""Load the 36 types and their categories from a data file into the database."""

import json
from pathlib import Path

from django.db import connections, transaction

from curation.models import Category, ShoeType

DATA = Path(__file__).with_name("types.json")
REJECTS = [
    ("other-shoe", "Other shoe", ShoeType.Kind.OTHER_SHOE),
    ("not-a-shoe", "Not a shoe", ShoeType.Kind.NOT_A_SHOE),
]


@transaction.atomic
def load() -> int:
    """Create missing categories and types; returns how many types were created.

    Existing rows stay as they are: curators edit their text.
    """
    guide = json.loads(DATA.read_text(encoding="utf-8"))
    known = set(ShoeType.objects.values_list("slug", flat=True))
    categories = {}
    for position, row in enumerate(guide["categories"]):
        categories[row["slug"]], _ = Category.objects.get_or_create(
            slug=row["slug"], defaults={"name": row["name"], "position": position}
        )
    missing = [
        ShoeType(
            slug=row["slug"],
            name=row["name"],
            category=categories[row["category"]],
            original_label=row["original_label"],
            search_terms=row["search_terms"],
            pros=row["pros"],
            cons=row["cons"],
            distinction=row["distinction"],
        )
        for row in guide["types"]
        if row["slug"] not in known
    ]
    missing += [
        ShoeType(slug=slug, name=name, kind=kind)
        for slug, name, kind in REJECTS
        if slug not in known
    ]
    ShoeType.objects.bulk_create(missing)
    return len(missing)


def load_after_migrate(using, **kwargs):
    """Receiver of `post_migrate`; does nothing where migrations have just removed the tables."""
    if ShoeType._meta.db_table in connections[using].introspection.table_names():
        load()
