"""Which images a view of the queue holds: choices in facets, as an address and as a query."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.db.models import Case, F, Q, Value, When
from django.db.models.lookups import GreaterThan

from curation.errors import CurationError
from curation.issues.reasons import BY_SLUG, mask
from curation.models import ShoeImage, ShoeType, WorkList
from curation.models.image import DECIDED, OUT
from curation.splits import Split

State = ShoeImage.State
# Purged images have no picture left to look at.
STATES = (State.UNREVIEWED, State.CONFIRMED, State.REJECTED)
UNREVIEWED = "unreviewed"
NONE = "none"  # no type given; nothing suggested
LOWEST_FINDING = 0.01  # the priority that an open finding gives at least

# A facet's key in an address → what it is called beside its values.
FACETS = {
    "reason": "Why look",
    "given": "Given label",
    "suggested": "Suggested label",
    "state": "State",
    "split": "Split",
    "source": "Source",
    "collection": "Collection",
    "domain": "Site",
    "licence": "Licence",
    "list": "Work list",
}
NUMBERS = ("collection", "list")  # whose values are primary keys


class QueueError(CurationError):
    """An address of the queue says something that nobody knows."""

    facet: str
    value: str
    code = "queue_error"
    message = "The queue cannot be filtered by {facet} “{value}”; take it out of the address."


@dataclass(frozen=True)
class Filter:
    """The choices. Within a facet any of them may hold, between facets all must.

    With no state and no work list chosen, the queue holds what needs a look: what is unreviewed
    and what a finding is open about. A work list holds all of its images that are not rejected.
    """

    reason: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()
    domain: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    list: tuple[str, ...] = ()
    doubtful: bool = False

    @classmethod
    def from_query(cls, query) -> "Filter":
        """The filter an address asks for; `query` has `getlist`. `QueueError` if it makes none."""
        chosen = {name: tuple(sorted(set(query.getlist(name)))) for name in FACETS}
        for name, known in _known(chosen).items():
            for value in chosen[name]:
                if value not in known:
                    raise QueueError(FACETS[name].lower(), value)
        for name in NUMBERS:
            for value in chosen[name]:
                if not (value.isascii() and value.isdecimal() and len(value) < 18):
                    raise QueueError(FACETS[name].lower(), value)
        return cls(**chosen, doubtful="1" in query.getlist("doubtful"))

    def to_query(self) -> str:
        """The address, without its “?”, that `from_query` reads back."""
        pairs = [(name, value) for name in FACETS for value in self.choices(name)]
        return urlencode(pairs + [("doubtful", "1")] * self.doubtful)

    def choices(self, name: str) -> tuple[str, ...]:
        """What is chosen in one facet."""
        return getattr(self, name)

    def toggled(self, name: str, value: str) -> "Filter":
        """The filter with one value chosen that was not, or the other way round."""
        if name == "doubtful":
            return replace(self, doubtful=not self.doubtful)
        return replace(self, **{name: tuple(sorted(set(self.choices(name)) ^ {value}))})

    @property
    def only_open(self) -> bool:
        """Whether what is confirmed and has nothing said against it is left out."""
        return not self.state and not self.list

    def images(self):
        """The images, those that matter most first."""
        return ShoeImage.objects.filter(self.condition()).order_by("-priority", "id")

    def condition(self, but: str = "", counted: bool = False) -> Q:
        """What an image must fulfil, `but` for one facet, which is left open.

        `counted`: said by the columns of the index that counts, instead of those of the one that
        is sorted by; both mean the same.
        """
        condition = self.standing(counted, but)
        if self.reason:
            condition &= self._reason(counted)
        if self.given:
            condition &= self._given()
        if self.suggested:
            condition &= Q(suggested__in=["" if s == NONE else s for s in self.suggested])
        for name in ("split", "source", "collection", "domain", "licence"):
            if name != but and (chosen := self.choices(name)):
                condition &= Q(**{f"{name}__in": chosen})
        if self.list and but != "list":
            listed = WorkList.images.through.objects.filter(worklist__in=self.list)
            condition &= Q(pk__in=listed.values("shoeimage"))
        if self.doubtful:
            condition &= ~Q(suggested="") & ~Q(suggested=_given_slug())
        return condition

    def standing(self, counted: bool, but: str = "") -> Q:
        """What `condition` demands of the state, any that a queue shows where `but` is "state"."""
        if but == "state":
            return Q(state__in=STATES)
        states = Q(state__in=self.state or STATES[:2])
        if counted:
            new_or_said = Q(state=State.UNREVIEWED) | Q(reasons__gt=0)
            return states & new_or_said if self.only_open else states
        if not self.state:
            return Q(priority__gt=DECIDED) if self.only_open else Q(priority__gte=DECIDED)
        return states if State.REJECTED in self.state else states & Q(priority__gt=OUT)

    def _reason(self, counted: bool) -> Q:
        slugs = [slug for slug in self.reason if slug != UNREVIEWED]
        said = Q()
        if slugs:
            said = Q(GreaterThan(F("reasons").bitand(mask(slugs)), 0))
            if not counted:
                said &= Q(priority__gte=LOWEST_FINDING)
        if UNREVIEWED in self.reason:
            said |= Q(state=State.UNREVIEWED)
        return said

    def _given(self) -> Q:
        slugs = [slug for slug in self.given if slug != NONE]
        given = Q()
        if slugs:
            types = ShoeType.objects.filter(slug__in=slugs)
            given |= Q(given_key__in=list(types.values_list("pk", flat=True)))
        if NONE in self.given:
            given |= Q(given_key__isnull=True)
        return given


def _given_slug() -> Case:
    """The slug of the given label, in the query's own words: a look into another table for each
    of many images takes several times longer."""
    types = ShoeType.objects.values_list("pk", "slug")
    return Case(*(When(given_key=pk, then=Value(slug)) for pk, slug in types), default=Value(""))


def _known(chosen) -> dict[str, set[str]]:
    """The facets whose values are known beforehand; types are only asked for where one is named."""
    slugs = set()
    if chosen["given"] or chosen["suggested"]:
        slugs = {NONE, *ShoeType.objects.values_list("slug", flat=True)}
    return {
        "reason": {UNREVIEWED, *BY_SLUG},
        "state": {state.value for state in STATES},
        "split": {split.value for split in Split},
        "given": slugs,
        "suggested": slugs,
    }
