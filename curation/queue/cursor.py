"""A place in the order of the queue, as text between two requests for pages."""

from dataclasses import dataclass
from math import isfinite

from django.db.models import Q

from curation.errors import CurationError


@dataclass(frozen=True)
class Cursor:
    """The place right behind the image with this priority and primary key, so that a list can go
    on there whatever has joined or left the queue meanwhile."""

    priority: float
    image: int

    @classmethod
    def parse(cls, text: str, refusal: CurationError) -> "Cursor":
        """Read back what `str` wrote. Raises `refusal` for any other text."""
        priority, _, image = text.partition("_")
        try:
            cursor = cls(float(priority), int(image))
        except ValueError:
            raise refusal from None
        # Neither “nan” nor an integer that no database takes.
        if not (isfinite(cursor.priority) and 0 <= cursor.image < 2**63):
            raise refusal
        return cursor

    def __str__(self):
        # `repr` of a float reads back as the very same float.
        return f"{self.priority!r}_{self.image}"

    def later(self) -> Q:
        """The condition that holds for images behind this place."""
        behind = Q(priority__lt=self.priority) | Q(pk__gt=self.image)
        # The first condition alone is what the database can look up in an index.
        return Q(priority__lte=self.priority) & behind
