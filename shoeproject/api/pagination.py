"""Pages of a list: `limit` says how many rows, `after` where to go on."""

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.response import Response

MAX_KEY = 2**63 - 1  # the largest primary key that a database takes


class LimitField(serializers.IntegerField):
    """How many rows a page has at most; more than `max_value` are refused."""

    default_error_messages = {"max_value": "At most {max_value}; go on with “next”."}

    def __init__(self, default: int, max_value: int):
        help_text = f"How many at most in this answer; {default} by default"
        super().__init__(min_value=1, max_value=max_value, required=False, help_text=help_text)


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": MAX_KEY})
class KeyField(serializers.IntegerField):
    """A query parameter that is a primary key."""

    def __init__(self, **options):
        super().__init__(min_value=0, max_value=MAX_KEY, required=False, **options)


@extend_schema_field({"type": "string", "minLength": 1, "pattern": r"^[^\x00]+$"})
class ExactTextField(serializers.CharField):
    """A query parameter that is compared with a column as it is."""

    def __init__(self, **options):
        super().__init__(required=False, trim_whitespace=False, **options)


class PageQuerySerializer(serializers.Serializer):
    """The query parameters of a list: these two, and the filters that a subclass adds.

    A filter's `source` is the lookup that it is for, such as `shoe_type__slug`.
    """

    limit = LimitField(settings.API_PAGE, settings.API_PAGE_MOST)
    after = KeyField(help_text="`next` of the answer before")


class KeysetPagination(BasePagination):
    """Pages by primary key, the newest row first; reads the view's validated `query`.

    A page begins behind a key and not at a number, so that rows that come in meanwhile do not shift
    it, and a late page is as fast as the first.
    """

    ordering = "-pk"
    page_size = settings.API_PAGE
    cursor_type = "integer"

    def paginate_queryset(self, queryset, request, view=None):
        limit = view.query.get("limit", self.page_size)
        # One row more than the page holds tells whether there is a next page.
        rows = self.read(queryset, view.query.get("after"), limit + 1)
        self.next = rows[limit - 1][0] if len(rows) > limit else None
        return [row for _, row in rows[:limit]]

    def read(self, queryset, after, count: int) -> list[tuple]:
        """Up to `count` pairs of a cursor and its row, from behind the cursor `after` (or None)."""
        if after is not None:
            lookup = "pk__lt" if self.ordering == "-pk" else "pk__gt"
            queryset = queryset.filter(**{lookup: after})
        return [(row.pk, row) for row in queryset.order_by(self.ordering)[:count]]

    def get_paginated_response(self, data):
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema):
        return {
            "type": "object",
            "properties": {
                "results": schema,
                "next": {
                    "type": self.cursor_type,
                    "nullable": True,
                    "description": "Give it as `after` to go on; null at the end",
                },
            },
            "required": ["next", "results"],
        }


class OldestFirstPagination(KeysetPagination):
    """The same with the oldest row first."""

    ordering = "pk"
