"""The progress board: counts over all images, in as many queries for ten as for 100,000."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from operator import attrgetter

from django.conf import settings
from django.db.models import BigIntegerField, CharField, Count, OuterRef, Subquery
from django.db.models.functions import Cast, Coalesce, Substr
from django.utils import timezone

from curation.decisions import history
from curation.issues import findings, reasons
from curation.models import AssessRun, CurrentAssessRun, Finding, Review, ShoeImage, ShoeType
from curation.models.guide import survivors
from curation.reports.intervals import wilson

State, Action = ShoeImage.State, Review.Action
STATES = ("confirmed", "unreviewed", "rejected")  # in the order of the board's columns
DECIDED = (State.CONFIRMED, State.REJECTED)


@dataclass
class TypeRow:
    """How many images have one type as label, else as proposal, by state."""

    slug: str
    name: str
    confirmed: int = 0
    unreviewed: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """Images that are not purged."""
        return self.confirmed + self.unreviewed + self.rejected

    @property
    def few(self) -> bool:
        """Whether too few images are left to learn and judge the type well."""
        return self.confirmed + self.unreviewed < settings.BOARD_FEW_IMAGES


@dataclass
class ErrorRate:
    """Errors among the decided images of one type, search query or site: images that were rejected,
    and images that were relabelled, whose label is not the first one they were given."""

    key: str
    name: str
    decided: int = 0
    rejected: int = 0
    relabelled: int = 0

    @property
    def rate(self) -> float:
        """Share of the decided images that were rejected or relabelled, 0 to 1."""
        return (self.rejected + self.relabelled) / self.decided

    @property
    def interval(self) -> list[float]:
        """95 % interval of `rate`."""
        return wilson(self.rejected + self.relabelled, self.decided)


@dataclass(frozen=True)
class ReasonRow:
    """A reason: images with an open finding of it, and how often it was right.

    `precision`: of `findings.measured_precision`; `decisions`: how many answers it is based on,
    besides the precision measured beforehand.
    """

    slug: str
    words: str
    images: int
    precision: float
    decisions: int


@dataclass
class Activity:
    """Decisions of one person, or of all people, on each of the days, oldest first."""

    name: str
    days: list[int]

    @property
    def total(self) -> int:
        """On all days together."""
        return sum(self.days)


@dataclass(frozen=True)
class Board:
    """Everything on the board.

    `error_rates`: "type", "query" or "domain" → rows, worst first. `overlap`: (slug, slug, name,
    name, images) of the types that the current assessment confuses.
    """

    states: dict[str, int]
    types: list[TypeRow]
    error_rates: dict[str, list[ErrorRate]]
    reasons: list[ReasonRow]
    days: list[date]
    everybody: Activity
    people: list[Activity]
    run: AssessRun | None
    overlap: list[tuple[str, str, str, str, float]]


def read_board() -> Board:
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
        error_rates=_error_rates(rows, types),
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
    """A row for each type, for merged ones only where images still have them, and one for images
    without a type."""
    by_type = {
        pk: TypeRow(row.slug, row.name)
        for pk, row in sorted(
            types.items(), key=lambda item: (item[1].kind != "type", item[1].name)
        )
    }
    untyped = TypeRow("none", "no type given")
    for state, given, _, number in rows:
        row = by_type.get(given, untyped)
        if state != State.PURGED:
            setattr(row, state, getattr(row, state) + number)
    listed = [row for pk, row in by_type.items() if row.total or not types[pk].merged_into_id]
    return [*listed, untyped] if untyped.total else listed


@dataclass
class _ErrorCounts:
    """Counts of decided images by one of their properties, such as the site."""

    decided: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    relabelled: Counter = field(default_factory=Counter)

    def add(self, value, state: str, number: int = 1) -> None:
        self.decided[value] += number
        if state == State.REJECTED:
            self.rejected[value] += number

    def rows(self, key_of=str, name_of=str) -> list[ErrorRate]:
        """Values with enough decided images, by the lower end of the error rate's interval."""
        rows = [
            ErrorRate(
                key_of(value), name_of(value), number, self.rejected[value], self.relabelled[value]
            )
            for value, number in self.decided.items()
            if value and number >= max(1, settings.BOARD_MIN_DECIDED)
        ]
        return sorted(rows, key=lambda row: (-row.interval[0], row.name))


def _error_rates(rows, types: dict[int, ShoeType]) -> dict[str, list[ErrorRate]]:
    # Most images keep their first label: they are counted by the database, and only images that
    # were relabelled are read one by one.
    today = survivors(types.values())
    by_type, by_domain, by_query = _ErrorCounts(), _ErrorCounts(), _ErrorCounts()
    for state, given, _, number in rows:
        if state in DECIDED:
            by_type.add(today.get(given), state, number)
    for counts, name in ((by_domain, "domain"), (by_query, "query")):
        for value, state, number in _grouped(name, "state", state__in=DECIDED):
            counts.add(value, state, number)
    for state, given, domain, query, first in _relabelled():
        given, first = today.get(given), today.get(first)
        if first == given:  # undone, or merged since
            continue
        by_type.add(given, state, -1)
        by_type.add(first, state)
        if first and state != State.REJECTED:
            for counts, value in ((by_type, first), (by_domain, domain), (by_query, query)):
                counts.relabelled[value] += 1
    return {
        "type": by_type.rows(attrgetter("slug"), attrgetter("name")),
        "query": by_query.rows(),
        "domain": by_domain.rows(),
    }


def _relabelled():
    """(state, given, domain, query, first label) of decided images that were relabelled.

    Types are primary keys. The first label is that before the first decision, else the proposal.
    """
    decisions = Review.objects.filter(image=OuterRef("pk")).exclude(action=Action.IMPORT)
    images = ShoeImage.objects.filter(
        state__in=DECIDED, pk__in=Review.objects.filter(action=Action.RELABEL).values("image")
    )
    first = Subquery(decisions.order_by("pk").values("label_from")[:1])
    first = Coalesce(first, "proposed", output_field=BigIntegerField())
    rows = images.order_by().values_list("state", "given_key", "domain", "query", first)
    return rows.iterator()


def _reasons(rows) -> list[ReasonRow]:
    images = Counter()
    for state, _, bits, number in rows:
        if state in findings.LIVE:
            images.update(dict.fromkeys(reasons.slugs(bits), number))
    closed = Finding.objects.filter(silenced_at__isnull=False).order_by()
    answered = Counter(dict(closed.values_list("reason").annotate(number=Count("pk"))))
    precision = findings.measured_precision()
    return [
        ReasonRow(
            reason.slug,
            reason.words,
            images[reason.slug],
            precision[reason.slug],
            answered[reason.slug],
        )
        for reason in reasons.REASONS
    ]


def _activity() -> tuple[list[date], Activity, list[Activity]]:
    today = timezone.localdate()
    days = [today - timedelta(days=ago) for ago in reversed(range(max(1, settings.BOARD_DAYS)))]
    start = timezone.make_aware(datetime.combine(days[0], time()))
    # Grouped by hours of UTC, as text: to find the day, SQLite would call Python for each row. In a
    # time zone with a half-hour offset, half an hour at midnight counts for the wrong day.
    hour = Substr(Cast("at", CharField()), 1, 13)
    decisions = history.undoable().filter(at__gte=start).exclude(action=Action.PURGE).order_by()
    rows = list(decisions.values_list("by__username", hour).annotate(number=Count("pk")))
    day_of = {
        text: timezone.localdate(datetime.fromisoformat(f"{text}:00+00:00"))
        for text in {text for _, text, _ in rows}
    }
    counts = defaultdict(Counter)
    for person, text, number in rows:
        counts[person or "nobody"][day_of[text]] += number
    people = [Activity(name, [by_day[day] for day in days]) for name, by_day in counts.items()]
    people.sort(key=lambda person: (-person.total, person.name))
    everybody = [sum(by_day[day] for by_day in counts.values()) for day in days]
    return days, Activity("everybody", everybody), people


def _overlap(run: AssessRun | None, types: Iterable[ShoeType]):
    names = {row.slug: row.name for row in types}
    pairs = run.report.get("overlapping", []) if run else []
    return [(a, b, names.get(a, a), names.get(b, b), number) for a, b, number in pairs]
