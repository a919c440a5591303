"""Update the statistics by which SQLite chooses among indexes."""

from django.db import connection

# Rows of each index that SQLite reads; 0.2 s for a database of 100,000 images.
ANALYSIS_LIMIT = 100_000


def analyze() -> None:
    """Run SQLite's ANALYZE; other databases update their statistics themselves.

    Without statistics, SQLite assumes that every index is equally selective.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit={ANALYSIS_LIMIT}")
            cursor.execute("ANALYZE")
