"""The queue's filter: choices in facets, as an address and as a database query."""

import re
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

# Facet, as addresses have it → its heading.
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
BY_PRIMARY_KEY = ("collection", "list")  # facets whose values are primary keys
PRIMARY_KEY = re.compile("[0-9]{1,17}")  # fits the database's integers


class QueueError(CurationError):
    """An address of the queue has an unknown value."""

    facet: str
    value: str
    code = "queue_error"
    message = "The queue cannot be filtered by {facet} “{value}”; take it out of the address."


@dataclass(frozen=True)
class Filter:
    """The choices. An image must have one of the values chosen in each facet.

    With no state and no work list chosen, it finds the images that need a look: unreviewed ones and
    those with an open finding. With a work list, all of its images that are not rejected.
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
        """The filter of an address; `query` has `getlist`. Raises `QueueError`."""
        chosen = {name: tuple(sorted(set(query.getlist(name)))) for name in FACETS}
        known = _known(chosen)
        refused = [(name, v) for name in known for v in chosen[name] if v not in known[name]]
        refused += [
            (name, v)
            for name in BY_PRIMARY_KEY
            for v in chosen[name]
            if not PRIMARY_KEY.fullmatch(v)
        ]
        if refused:
            name, value = refused[0]
            raise QueueError(FACETS[name].lower(), value)
        return cls(**chosen, doubtful="1" in query.getlist("doubtful"))

    def to_query(self) -> str:
        """The address, without “?”, that `from_query` reads back."""
        pairs = [(name, value) for name in FACETS for value in self.choices(name)]
        return urlencode(pairs + [("doubtful", "1")] * self.doubtful)

    def choices(self, name: str) -> tuple[str, ...]:
        """The values chosen in one facet."""
        return getattr(self, name)

    def toggled(self, name: str, value: str) -> "Filter":
        """The filter with one value added, or removed where it was chosen."""
        if name == "doubtful":
            return replace(self, doubtful=not self.doubtful)
        return replace(self, **{name: tuple(sorted(set(self.choices(name)) ^ {value}))})

    def images(self):
        """The images, highest priority first."""
        return ShoeImage.objects.filter(self.condition()).order_by("-priority", "id")

    def condition(self, but: str = "", counted: bool = False) -> Q:
        """The condition for an image; the choices in the facet `but` are ignored.

        `counted`: use the columns of the index for counting instead of those of the index for
        sorting; both find the same images.
        """
        condition = self._state(counted, but)
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

    def _state(self, counted: bool, but: str) -> Q:
        if but == "state":
            return Q(state__in=STATES)
        only_open = not self.state and not self.list
        states = Q(state__in=self.state or STATES[:2])
        if counted:
            needs_a_look = Q(state=State.UNREVIEWED) | Q(reasons__gt=0)
            return states & needs_a_look if only_open else states
        if not self.state:
            return Q(priority__gt=DECIDED) if only_open else Q(priority__gte=DECIDED)
        return states if State.REJECTED in self.state else states & Q(priority__gt=OUT)

    def _reason(self, counted: bool) -> Q:
        slugs = [slug for slug in self.reason if slug != UNREVIEWED]
        condition = Q()
        if slugs:
            condition = Q(GreaterThan(F("reasons").bitand(mask(slugs)), 0))
            if not counted:
                condition &= Q(priority__gte=LOWEST_FINDING)
        if UNREVIEWED in self.reason:
            condition |= Q(state=State.UNREVIEWED)
        return condition

    def _given(self) -> Q:
        types = ShoeType.objects.filter(slug__in=self.given).values_list("pk", flat=True)
        given = Q(given_key__in=list(types))
        return given | Q(given_key__isnull=True) if NONE in self.given else given


def _given_slug() -> Case:
    """The slug of the given label, as a CASE expression: a join takes several times longer."""
    types = ShoeType.objects.values_list("pk", "slug")
    return Case(*(When(given_key=pk, then=Value(slug)) for pk, slug in types), default=Value(""))


def _known(chosen) -> dict[str, set[str]]:
    """Facet → its valid values, where these are known; types are only read where one is chosen."""
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
