"""How many images stand behind every choice: one walk over the index that holds all facets."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

from django.conf import settings
from django.db.models import Count, Exists, OuterRef

from curation.issues.reasons import BY_SLUG, REASONS, mask
from curation.models import Collection, ShoeImage, ShoeType, WorkList
from curation.queue.filter import FACETS, NONE, STATES, UNREVIEWED, Filter
from curation.splits import Split

# In the order of the index `image_facets_all`, so that grouping needs no sorting.
COLUMNS = ("state", "given_key", "split", "licence", "suggested", "reasons")
STATE, GIVEN, SPLIT, LICENCE, SUGGESTED, BITS, TIMES = range(7)
# Facet → what of a group it counts by.
TALLIED: dict[str, Callable] = {
    "given": itemgetter(GIVEN),
    "suggested": itemgetter(SUGGESTED),
    "reason": itemgetter(BITS, STATE),
    "split": itemgetter(SPLIT),
    "licence": itemgetter(LICENCE),
}
# Facets that are counted by themselves: those of so many values that groups by them too would be
# almost as many as images, and the state, so that the walk can leave out states nobody chose.
ALONE = ("source", "domain", "collection", "state")


@dataclass(frozen=True)
class Value:
    """One choice: what an address calls it, what people call it, and its images under all other
    facets' choices."""

    value: str
    words: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Facet:
    """One facet: the values worth listing, those chosen first, and how many more there are."""

    name: str
    words: str
    values: list[Value]
    more: int


@dataclass(frozen=True)
class Facets:
    """All facets, the images that the filter holds, and those of them whose label is doubtful."""

    total: int
    doubtful: int
    facets: list[Facet]


def facets(chosen: Filter, cut: int | None = None) -> Facets:
    """Every facet with its counts; `cut` values of each, the setting's number if None."""
    cut = settings.QUEUE_FACET_VALUES if cut is None else cut
    names = _Names()
    total, doubtful, counts = _count(chosen, names)
    counts["list"] = _lists(chosen)
    listed = [
        _facet(name, chosen.choices(name), counts[name], names, cut)
        for name in FACETS
        if counts[name] or chosen.choices(name)
    ]
    return Facets(total, doubtful, listed)


def find(chosen: Filter, name: str, text: str, cut: int | None = None) -> Facet:
    """The values of one facet whose words hold `text`. `KeyError` for a facet nobody knows."""
    FACETS[name]
    cut = 2 * settings.QUEUE_FACET_VALUES if cut is None else cut
    names = _Names()
    counts = _of_one(chosen, name, names)
    text = text.casefold().strip()
    kept = {v: n for v, n in counts.items() if text in names.words(name, v).casefold()}
    picked = tuple(v for v in chosen.choices(name) if v in kept)
    return _facet(name, picked, kept, names, cut)


def _of_one(chosen: Filter, name: str, names) -> Counter:
    if name == "list":
        return _lists(chosen)
    return _alone(chosen, name) if name in ALONE else _count(chosen, names)[2][name]


class _Names:
    """Words for the values of facets, asked for once."""

    def __init__(self):
        self.types = {pk: (s, n) for pk, s, n in ShoeType.objects.values_list("pk", "slug", "name")}
        self.slugs = dict(self.types.values())
        self._numbers = {}

    def words(self, facet: str, value: str) -> str:
        if facet == "reason":
            return "nobody has looked" if value == UNREVIEWED else BY_SLUG[value].words
        if facet in ("given", "suggested"):
            return self.slugs.get(value, "none")
        if facet in ("collection", "list"):
            return self._number(facet).get(value, f"number {value}, which is gone")
        return value or "not stated"

    def _number(self, facet) -> dict[str, str]:
        if facet not in self._numbers:
            rows = (
                ((pk, name) for pk, name in WorkList.objects.values_list("pk", "name"))
                if facet == "list"
                else (
                    (pk, f"{name}, number {pk}")
                    for pk, name in Collection.objects.values_list("pk", "shoe_type__name")
                )
            )
            self._numbers[facet] = {str(pk): words for pk, words in rows}
        return self._numbers[facet]


def _count(chosen: Filter, names: _Names) -> tuple[int, int, dict[str, Counter]]:
    """Total, doubtful ones, and facet → value → images, all under the other facets' choices."""
    slug_of = {pk: slug for pk, (slug, _) in names.types.items()}
    slug_of[None] = NONE
    held, failing_one = _sort_out(_walk(chosen), _tests(chosen, slug_of))
    tallies = {name: _tally(held + failing_one.get(name, []), key) for name, key in TALLIED.items()}
    doubtful = sum(group[TIMES] for group in held if _doubtful(group, slug_of))
    counts = _unfold(tallies, slug_of) | {name: _alone(chosen, name) for name in ALONE}
    return sum(map(itemgetter(TIMES), held)), doubtful, counts


def _alone(chosen: Filter, name: str) -> Counter:
    """Value → images of one facet of ALONE, under the other facets' choices."""
    images = ShoeImage.objects.filter(chosen.condition(but=name, counted=True)).order_by()
    counts = dict(images.values_list(name).annotate(times=Count("*")))
    if name == "collection":
        return Counter({str(pk): times for pk, times in counts.items() if pk is not None})
    return Counter(counts)


def _sort_out(groups, tests) -> tuple[list, dict[str, list]]:
    """The groups that hold everywhere; and facet → those that fail there and nowhere else."""
    held, failing_one = [], {}
    for group in groups:
        failed = None
        for name, holds in tests:
            if not holds(group):
                if failed:
                    break
                failed = name
        else:
            (failing_one.setdefault(failed, []) if failed else held).append(group)
    return held, failing_one


def _tally(groups, key: Callable) -> Counter:
    tally = defaultdict(int)  # a Counter's own `+=` is several times slower
    for value, number in zip(map(key, groups), map(itemgetter(TIMES), groups), strict=True):
        tally[value] += number
    return Counter(tally)


def _walk(chosen: Filter):
    """Every group that there is in the states chosen, under the choices that no group tells."""
    images = ShoeImage.objects.filter(chosen.standing(counted=True))
    for name in ALONE:
        if name != "state" and chosen.choices(name):
            images = images.filter(**{f"{name}__in": chosen.choices(name)})
    if chosen.list:
        listed = WorkList.images.through.objects.filter(worklist__in=chosen.list)
        images = images.filter(pk__in=listed.values("shoeimage"))
    grouped = images.order_by().values_list(*COLUMNS)
    return grouped.annotate(times=Count("*")).iterator(chunk_size=5000)


def _doubtful(group, slug_of) -> bool:
    return bool(group[SUGGESTED]) and group[SUGGESTED] != slug_of.get(group[GIVEN])


def _tests(chosen: Filter, slug_of) -> list[tuple[str, Callable]]:
    """What each facet with a choice demands of a group."""
    tests = []
    if chosen.reason:
        bits = mask(slug for slug in chosen.reason if slug != UNREVIEWED)
        new = UNREVIEWED in chosen.reason
        tests.append(("reason", lambda g: bool(g[BITS] & bits) or (new and g[STATE] == UNREVIEWED)))
    if chosen.given:
        keys = {pk for pk, slug in slug_of.items() if slug in chosen.given}
        tests.append(("given", lambda g: g[GIVEN] in keys))
    if chosen.suggested:
        slugs = {"" if slug == NONE else slug for slug in chosen.suggested}
        tests.append(("suggested", lambda g: g[SUGGESTED] in slugs))
    for name, at in (("split", SPLIT), ("licence", LICENCE)):
        if chosen.choices(name):
            values = set(chosen.choices(name))
            tests.append((name, lambda g, at=at, values=values: g[at] in values))
    if chosen.doubtful:
        tests.append(("doubtful", lambda g: _doubtful(g, slug_of)))
    return tests


def _unfold(tallies, slug_of) -> dict[str, Counter]:
    """Keys as addresses write them, and several reasons of one group counted for each."""
    counts = {name: Counter() for name in TALLIED}
    for name in ("split", "licence"):
        counts[name] = tallies[name]
    for key, times in tallies["given"].items():
        counts["given"][slug_of.get(key, NONE)] += times
    for slug, times in tallies["suggested"].items():
        counts["suggested"][slug or NONE] += times
    for (bits, state), times in tallies["reason"].items():
        for reason in REASONS:
            if bits >> reason.bit & 1:
                counts["reason"][reason.slug] += times
        if state == UNREVIEWED:
            counts["reason"][UNREVIEWED] += times
    return counts


def _lists(chosen: Filter) -> Counter:
    """Work lists, from their side: they are few and short."""
    somewhere = replace(chosen, list=chosen.list or ("0",))  # a list is not cut down to open images
    held = ShoeImage.objects.filter(somewhere.condition(but="list"), pk=OuterRef("shoeimage"))
    rows = WorkList.images.through.objects.filter(Exists(held)).order_by()
    rows = rows.values_list("worklist").annotate(times=Count("*"))
    return Counter({str(pk): times for pk, times in rows})


def _facet(name, chosen, counts, names: _Names, cut: int) -> Facet:
    """A facet's values: the chosen ones first, then by count, then by words."""
    fixed = {"split": [split.value for split in Split], "state": [s.value for s in STATES]}
    everything = {*counts, *chosen}

    def order(value):
        place = fixed[name].index(value) if name in fixed else 0
        picked = name not in fixed and value in chosen
        return (not picked, place, -counts[value], names.words(name, value))

    ordered = sorted(everything, key=order)
    shown = ordered[: max(cut, len(chosen))]
    values = [Value(v, names.words(name, v), counts.get(v, 0), v in chosen) for v in shown]
    return Facet(name, FACETS[name], values, len(ordered) - len(shown))
