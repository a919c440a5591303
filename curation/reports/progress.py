"""How far the cleaning is: numbers over all images, in as many queries for ten as for 100,000."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import CharField, Count, OuterRef, Subquery
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from curation.issues import findings, reasons
from curation.models import AssessRun, CurrentAssessRun, Finding, Review, ShoeImage, ShoeType
from curation.reports.intervals import wilson

State, Action = ShoeImage.State, Review.Action
STATES = ("confirmed", "unreviewed", "rejected")  # as they are shown, side by side
DECIDED = (State.CONFIRMED, State.REJECTED)
NO_DECISION = (Action.IMPORT, Action.UNDO, Action.PURGE)


@dataclass
class TypeRow:
    """Images given one type, by state; `few`: too few to learn or judge it well."""

    slug: str
    name: str
    confirmed: int = 0
    unreviewed: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """All but what was purged."""
        return self.confirmed + self.unreviewed + self.rejected

    @property
    def few(self) -> bool:
        """Whether what is left after rejecting is little."""
        return self.confirmed + self.unreviewed < settings.BOARD_FEW_IMAGES


@dataclass
class Noise:
    """What became of the decided images of one type, query or site: how many were rejected, how
    many of the others bear another label now than the first one they were given."""

    key: str
    name: str
    decided: int = 0
    rejected: int = 0
    relabelled: int = 0

    @property
    def rate(self) -> float:
        """Share of the decided images that were wrong, 0 to 1."""
        return (self.rejected + self.relabelled) / self.decided

    @property
    def interval(self) -> list[float]:
        """95 % interval of `rate`."""
        return wilson(self.rejected + self.relabelled, self.decided)


@dataclass(frozen=True)
class ReasonRow:
    """A reason: images with an open finding of it, and how often it was right so far.

    `precision`: `findings.measured_precision`; it rests on `decisions` beside what was measured
    before the project was anybody's.
    """

    slug: str
    words: str
    images: int
    precision: float
    decisions: int


@dataclass
class Activity:
    """Decisions by one person, or by everybody, on each of the days, oldest first."""

    name: str
    days: list[int]

    @property
    def total(self) -> int:
        """On all days together."""
        return sum(self.days)


@dataclass(frozen=True)
class Board:
    """Everything on the board. `noise`: what by (type, query, domain) → rows, worst first."""

    states: dict[str, int]
    types: list[TypeRow]
    noise: dict[str, list[Noise]]
    reasons: list[ReasonRow]
    days: list[date]
    everybody: Activity
    people: list[Activity]
    run: AssessRun | None
    overlap: list[tuple[str, str, str, str, float]]


def read() -> Board:
    """The board as of now."""
    rows = list(_grouped("state", "given_key", "reasons"))
    types = {row.pk: row for row in ShoeType.objects.only("slug", "name", "merged_into", "kind")}
    states = Counter()
    for state, _, _, number in rows:
        states[state] += number
    days, everybody, people = _activity()
    run = AssessRun.objects.filter(pk__in=CurrentAssessRun.objects.values("run")).first()
    return Board(
        states={state.value: states[state] for state in State},
        types=_types(rows, types),
        noise=_noise(rows, types),
        reasons=_reasons(rows),
        days=days,
        everybody=everybody,
        people=people,
        run=run,
        overlap=_overlap(run, types.values()),
    )


def _grouped(*fields: str, **only):
    """(*fields, number of images) for each combination there is."""
    images = ShoeImage.objects.filter(**only).order_by().values_list(*fields)
    return images.annotate(number=Count("pk"))


def _types(rows, types: dict[int, ShoeType]) -> list[TypeRow]:
    """Every type that stands, then merged ones that images still bear, then what has no type."""
    found = {
        pk: TypeRow(row.slug, row.name)
        for pk, row in sorted(
            types.items(), key=lambda item: (item[1].kind != "type", item[1].name)
        )
    }
    nameless = TypeRow("none", "no type given")
    for state, given, _, number in rows:
        row = found.get(given, nameless)
        if state != State.PURGED:
            setattr(row, state, getattr(row, state) + number)
    stands = [row for pk, row in found.items() if row.total or not types[pk].merged_into_id]
    return stands + [nameless] * bool(nameless.total)


@dataclass
class _Tally:
    """Counts of decided images for each value of one thing, such as the site they came from."""

    decided: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    relabelled: Counter = field(default_factory=Counter)

    def add(self, key, state: str, number: int = 1) -> None:
        self.decided[key] += number
        if state == State.REJECTED:
            self.rejected[key] += number

    def rows(self, name=str) -> list[Noise]:
        """Those with enough decided images, by what is at least wrong with them."""
        rows = [
            Noise(str(key), name(key), number, self.rejected[key], self.relabelled[key])
            for key, number in self.decided.items()
            if key and number >= max(1, settings.BOARD_MIN_DECIDED)
        ]
        return sorted(rows, key=lambda row: (-row.interval[0], row.name))


def _noise(rows, types: dict[int, ShoeType]) -> dict[str, list[Noise]]:
    # Most images keep the label they came with, so they are counted in the database, and only
    # those that somebody relabelled are looked at one by one.
    stands = {pk: _survivor(pk, types) for pk in types}
    by_type, by_domain, by_query = _Tally(), _Tally(), _Tally()
    for state, given, _, number in rows:
        if state in DECIDED:
            by_type.add(stands.get(given), state, number)
    for tally, name in ((by_domain, "domain"), (by_query, "query")):
        for value, state, number in _grouped(name, "state", state__in=DECIDED):
            tally.add(value, state, number)
    for state, given, domain, query, first in _relabelled():
        given, first = stands.get(given), stands.get(first)
        if first == given:  # taken back, or merged since
            continue
        by_type.add(given, state, -1)
        by_type.add(first, state)
        if first and state != State.REJECTED:
            for tally, key in ((by_type, first), (by_domain, domain), (by_query, query)):
                tally.relabelled[key] += 1
    return {
        "type": [
            Noise(types[int(row.key)].slug, row.name, row.decided, row.rejected, row.relabelled)
            for row in by_type.rows(lambda pk: types[pk].name)
        ],
        "query": by_query.rows(),
        "domain": by_domain.rows(),
    }


def _survivor(pk: int, types: dict[int, ShoeType]) -> int:
    """`ShoeType.survivor` without a query for each step."""
    seen = set()
    while types[pk].merged_into_id and pk not in seen:
        seen.add(pk)
        pk = types[pk].merged_into_id
    return pk


def _relabelled():
    """(state, given, domain, query, first label) of decided images that somebody relabelled; types
    as primary keys. The first label is what the first decision found, else what was proposed."""
    decisions = Review.objects.filter(image=OuterRef("pk")).exclude(action=Action.IMPORT)
    images = ShoeImage.objects.filter(
        state__in=DECIDED, pk__in=Review.objects.filter(action=Action.RELABEL).values("image")
    )
    rows = images.order_by().annotate(
        first=Subquery(decisions.order_by("pk").values("label_from")[:1])
    )
    wanted = ("state", "given_key", "domain", "query", "first", "proposed")
    for state, given, domain, query, first, proposed in rows.values_list(*wanted).iterator():
        yield state, given, domain, query, first or proposed


def _reasons(rows) -> list[ReasonRow]:
    together, images = Counter(), Counter()
    for state, _, bits, number in rows:
        if state in findings.LIVE:
            together[bits] += number
    for bits, number in together.items():
        images.update(dict.fromkeys(reasons.slugs(bits), number))
    closed = Finding.objects.filter(silenced_at__isnull=False).order_by()
    answered = Counter(dict(closed.values_list("reason").annotate(number=Count("pk"))))
    precision = findings.measured_precision()
    return [
        ReasonRow(one.slug, one.words, images[one.slug], precision[one.slug], answered[one.slug])
        for one in reasons.REASONS
    ]


def _activity() -> tuple[list[date], Activity, list[Activity]]:
    today = timezone.localdate()
    days = [today - timedelta(days=ago) for ago in reversed(range(max(1, settings.BOARD_DAYS)))]
    start = timezone.make_aware(datetime.combine(days[0], time()))
    # By hours of UTC, cut from the text of the time: SQLite would call back into Python for each
    # row to find the day. In a zone that is off by half an hour, the half hour at midnight counts
    # to the day beside it.
    hour = Substr(Cast("at", CharField()), 1, 13)
    decisions = Review.objects.filter(at__gte=start).exclude(action__in=NO_DECISION).order_by()
    rows = list(decisions.values_list("by__username", hour).annotate(number=Count("pk")))
    day_of = {
        text: timezone.localdate(datetime.fromisoformat(f"{text}:00+00:00"))
        for text in {text for _, text, _ in rows}
    }
    counts = defaultdict(Counter)
    for person, text, number in rows:
        counts[person or "nobody"][day_of[text]] += number
    people = [Activity(name, [on[day] for day in days]) for name, on in counts.items()]
    people.sort(key=lambda person: (-person.total, person.name))
    everybody = [sum(on[day] for on in counts.values()) for day in days]
    return days, Activity("everybody", everybody), people


def _overlap(run: AssessRun | None, types: Iterable[ShoeType]):
    """(slug, slug, name, name, number) of the types that the current assessment mixes up."""
    names = {row.slug: row.name for row in types}
    pairs = run.report.get("overlapping", []) if run else []
    return [(a, b, names.get(a, a), names.get(b, b), number) for a, b, number in pairs]
