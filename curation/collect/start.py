"""Start collections: one job for each type."""

from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.db import transaction

from curation import search
from curation.errors import CurationError
from curation.models import Collection, ShoeType
from shoeproject.jobs import OPEN_STATES


class CollectionRefused(CurationError):
    """The collection cannot be started like this; `why` is a sentence."""

    why: str

    code = "collection_refused"
    status = 409
    message = "{why}"


def start_collections(
    types: Iterable[ShoeType], count: int, *, terms: Sequence[str] = (),
    filters: Mapping[str, str] | None = None, safe: bool = True, set_label: bool = False, by=None,
) -> list[Collection]:  # fmt: skip
    """Queue a job that collects `count` new images for each type; all of the jobs or none.

    `terms`: what to search for instead of the type's own terms, for one type alone. `filters`: see
    `search.FILTERS`. Raises `CollectionRefused`.
    """
    types = [shoe_type.survivor() for shoe_type in types]
    if not types:
        raise CollectionRefused("Choose a type at least.")
    if not 1 <= count <= settings.COLLECT_COUNT_MOST:
        raise CollectionRefused(f"Ask for 1 to {settings.COLLECT_COUNT_MOST} images of a type.")
    own = [term.strip() for term in terms if term.strip()]
    if own and len(types) > 1:
        raise CollectionRefused("Search terms belong to one type; choose one, or leave them empty.")
    if any(len(term) > 200 for term in own):
        raise CollectionRefused("A search term has 200 characters at most.")
    checked = _check_filters(filters or {})
    with transaction.atomic():
        unfinished = Collection.objects.filter(state__in=OPEN_STATES, shoe_type__in=types)
        if job := unfinished.select_related("shoe_type").first():
            raise CollectionRefused(
                f"{job.shoe_type} is being collected already (collection {job.pk}, {job.state}). "
                "Resume, cancel or await that one."
            )
        jobs = [
            Collection.objects.create(
                shoe_type=shoe_type, terms=own or shoe_type.search_terms or [shoe_type.name],
                count=count, filters=checked, safe_search=safe, set_label=set_label, asked_by=by,
            )
            for shoe_type in dict.fromkeys(types)
        ]  # fmt: skip
        for job in jobs:
            job.ring()
    return jobs


def _check_filters(filters: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set. Raises `CollectionRefused` for an unknown one."""
    for name, value in filters.items():
        if name not in search.FILTERS:
            raise CollectionRefused(
                f"There is no filter “{name}”; there are {', '.join(search.FILTERS)}."
            )
        if value and value not in search.FILTERS[name]:
            raise CollectionRefused(
                f"“{value}” is no {name}; choose one of {', '.join(search.FILTERS[name])}."
            )
    return {name: value for name, value in filters.items() if value}
