"""Facets with the number of images of each value, from one walk over an index of all facets."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter

from django.conf import settings
from django.db.models import Count, Exists, OuterRef

from curation.issues.reasons import BY_SLUG, mask, slugs
from curation.models import Collection, ShoeImage, ShoeType, WorkList
from curation.queue.filter import FACETS, NONE, STATES, UNREVIEWED, Filter
from curation.splits import Split

# In the order of the index `image_facets_all`, so that grouping needs no sorting.
COLUMNS = ("state", "given_key", "split", "licence", "suggested", "reasons")
STATE, GIVEN, SPLIT, LICENCE, SUGGESTED, BITS, TIMES = range(7)
# Facets counted from the groups → the part of a group that they are counted by.
COUNTED_BY_GROUP: dict[str, Callable] = {
    "given": itemgetter(GIVEN),
    "suggested": itemgetter(SUGGESTED),
    "reason": itemgetter(BITS, STATE),
    "split": itemgetter(SPLIT),
    "licence": itemgetter(LICENCE),
}
# Facets counted by queries of their own: those of so many values that groups by them too would be
# almost as many as images, and the state, so that the walk can leave out states not chosen.
COUNTED_ALONE = ("source", "domain", "collection", "state")


@dataclass(frozen=True)
class Value:
    """One value of a facet: as addresses have it, in words, and the number of its images under the
    choices in all other facets."""

    value: str
    words: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """One facet: the values to list, those chosen first, and how many more there are."""

    name: str
    words: str
    values: list[Value]
    more: int


@dataclass(frozen=True)
class Facets:
    """All facets, how many images the filter finds, and how many of these have a doubtful label."""

    total: int
    doubtful: int
    facets: list[Facet]


def count_facets(filter: Filter, limit: int | None = None) -> Facets:
    """Every facet with its counts; `limit` values of each, by default the setting's number."""
    limit = settings.QUEUE_FACET_VALUES if limit is None else limit
    words = _Words()
    total, doubtful, counts = _count(filter, words)
    counts["list"] = _count_lists(filter)
    facets = [
        _facet(name, filter.choices(name), counts[name], words, limit)
        for name in FACETS
        if counts[name] or filter.choices(name)
    ]
    return Facets(total, doubtful, facets)


def find_values(filter: Filter, name: str, text: str) -> Facet:
    """The values of one facet with `text` in their words. Raises KeyError for an unknown facet."""
    words = _Words()
    if name == "list":
        counts = _count_lists(filter)
    elif name in COUNTED_ALONE:
        counts = _count_alone(filter, name)
    else:
        counts = _count(filter, words)[2][name]
    text = text.casefold().strip()
    matching = {v: n for v, n in counts.items() if text in words.of(name, v).casefold()}
    chosen = tuple(v for v in filter.choices(name) if v in matching)
    return _facet(name, chosen, matching, words, 2 * settings.QUEUE_FACET_VALUES)


class _Words:
    """Words for the values of facets, each table read at most once."""

    def __init__(self):
        self.types = {pk: (s, n) for pk, s, n in ShoeType.objects.values_list("pk", "slug", "name")}
        self._type_names = dict(self.types.values())

    def of(self, facet: str, value: str) -> str:
        if facet == "reason":
            return "nobody has looked" if value == UNREVIEWED else BY_SLUG[value].words
        if facet in ("given", "suggested"):
            return self._type_names.get(value, "none")
        if facet == "list":
            return self._lists.get(value, f"number {value}, which is gone")
        if facet == "collection":
            return self._collections.get(value, f"number {value}, which is gone")
        return value or "not stated"

    @cached_property
    def _lists(self) -> dict[str, str]:
        return {str(pk): name for pk, name in WorkList.objects.values_list("pk", "name")}

    @cached_property
    def _collections(self) -> dict[str, str]:
        rows = Collection.objects.values_list("pk", "shoe_type__name")
        return {str(pk): f"{name}, number {pk}" for pk, name in rows}


def _count(filter: Filter, words: _Words) -> tuple[int, int, dict[str, Counter]]:
    """Total, doubtful ones, and facet → value → images, each under the other facets' choices."""
    slug_of = {pk: slug for pk, (slug, _) in words.types.items()}
    slug_of[None] = NONE
    matching, failing_one = _sort_out(_groups(filter), _tests(filter, slug_of))
    sums = {
        name: _sum_by(matching + failing_one.get(name, []), key)
        for name, key in COUNTED_BY_GROUP.items()
    }
    doubtful = sum(group[TIMES] for group in matching if _doubtful(group, slug_of))
    counts = _by_value(sums, slug_of)
    counts |= {name: _count_alone(filter, name) for name in COUNTED_ALONE}
    return sum(group[TIMES] for group in matching), doubtful, counts


def _count_alone(filter: Filter, name: str) -> Counter:
    """Value → images of one facet of COUNTED_ALONE, under the other facets' choices."""
    images = ShoeImage.objects.filter(filter.condition(but=name, counted=True)).order_by()
    counts = dict(images.values_list(name).annotate(times=Count("*")))
    if name == "collection":
        return Counter({str(pk): times for pk, times in counts.items() if pk is not None})
    return Counter(counts)


def _sort_out(groups, tests) -> tuple[list, dict[str, list]]:
    """The groups that pass all tests, and facet → those that fail its test and no other."""
    matching, failing_one = [], {}
    for group in groups:
        failed = None
        for name, passes in tests:
            if not passes(group):
                if failed:
                    break
                failed = name
        else:
            (failing_one.setdefault(failed, []) if failed else matching).append(group)
    return matching, failing_one


def _sum_by(groups, key: Callable) -> Counter:
    sums = defaultdict(int)  # a Counter's own `+=` is several times slower
    for value, number in zip(map(key, groups), map(itemgetter(TIMES), groups), strict=True):
        sums[value] += number
    return Counter(sums)


def _groups(filter: Filter):
    """(*COLUMNS, images) under the filter's choices in facets that are not counted by group."""
    rest = replace(filter, doubtful=False, **dict.fromkeys(COUNTED_BY_GROUP, ()))
    images = ShoeImage.objects.filter(rest.condition(counted=True)).order_by()
    groups = images.values_list(*COLUMNS).annotate(times=Count("*"))
    return groups.iterator(chunk_size=5000)


def _doubtful(group, slug_of) -> bool:
    return bool(group[SUGGESTED]) and group[SUGGESTED] != slug_of.get(group[GIVEN])


def _tests(filter: Filter, slug_of) -> list[tuple[str, Callable]]:
    """(facet, function that tells whether a group passes) for each facet with a choice."""
    tests = []
    if filter.reason:
        bits = mask(slug for slug in filter.reason if slug != UNREVIEWED)
        new = UNREVIEWED in filter.reason
        tests.append(("reason", lambda g: bool(g[BITS] & bits) or (new and g[STATE] == UNREVIEWED)))
    if filter.given:
        keys = {pk for pk, slug in slug_of.items() if slug in filter.given}
        tests.append(("given", lambda g: g[GIVEN] in keys))
    if filter.suggested:
        suggested = {"" if slug == NONE else slug for slug in filter.suggested}
        tests.append(("suggested", lambda g: g[SUGGESTED] in suggested))
    for name, at in (("split", SPLIT), ("licence", LICENCE)):
        if filter.choices(name):
            values = set(filter.choices(name))
            tests.append((name, lambda g, at=at, values=values: g[at] in values))
    if filter.doubtful:
        tests.append(("doubtful", lambda g: _doubtful(g, slug_of)))
    return tests


def _by_value(sums, slug_of) -> dict[str, Counter]:
    """Facet → value as addresses have it → images; an image with several reasons is in each."""
    reasons = Counter()
    for (bits, state), times in sums["reason"].items():
        for slug in slugs(bits):
            reasons[slug] += times
        if state == UNREVIEWED:
            reasons[UNREVIEWED] += times
    return sums | {
        "given": Counter({slug_of[key]: times for key, times in sums["given"].items()}),
        "suggested": Counter({slug or NONE: n for slug, n in sums["suggested"].items()}),
        "reason": reasons,
    }


def _count_lists(filter: Filter) -> Counter:
    """Work list → images, counted from the lists, which are few and short."""
    # With a list chosen, the filter is not restricted to images that need a look.
    with_list = replace(filter, list=filter.list or ("0",))
    images = ShoeImage.objects.filter(with_list.condition(but="list"), pk=OuterRef("shoeimage"))
    listed = WorkList.images.through.objects.filter(Exists(images)).order_by()
    rows = listed.values_list("worklist").annotate(times=Count("*"))
    return Counter({str(pk): times for pk, times in rows})


def _facet(name, chosen, counts, words: _Words, limit: int) -> Facet:
    """A facet with its values: the chosen ones first, then by count, then by words; splits and
    states in the order in which they are declared."""
    declared = {"split": [split.value for split in Split], "state": [s.value for s in STATES]}

    def order(value):
        if name in declared:
            return declared[name].index(value)
        return value not in chosen, -counts.get(value, 0), words.of(name, value)

    ordered = sorted({*counts, *chosen}, key=order)
    shown = ordered[: max(limit, len(chosen))]
    values = [Value(v, words.of(name, v), counts.get(v, 0), v in chosen) for v in shown]
    return Facet(name, FACETS[name], values, len(ordered) - len(shown))
