"""How far people who judged the same images agree: shares, and Cohen's kappa."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations

from django.contrib.auth import get_user_model
from django.db.models import Count, Max, Q

from curation.decisions import history
from curation.models import Review, ShoeImage, ShoeType
from curation.models.guide import survivors
from shoeproject.batches import batches

Action, State = Review.Action, ShoeImage.State
REJECTED = "rejected"


@dataclass(frozen=True)
class Pair:
    """Two people: how many images both judged, the share on which they agree, and the share on
    which they would by chance, using each verdict as often as they do (0 to 1)."""

    first: object
    second: object
    images: int
    agree: float
    chance: float

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: 1 for always, 0 for as often as by chance; None where they would always
        agree by chance."""
        return _kappa(self.agree, self.chance)


@dataclass(frozen=True)
class Disagreement:
    """An image and its verdicts: [(person, label's name or “rejected”)]."""

    image: ShoeImage
    verdicts: list[tuple[object, str]]


@dataclass(frozen=True)
class Agreement:
    """Agreement on all images that two people or more judged.

    `agree`: the share on which all agree. `kappa`: of all pairs, weighted by their images; for two
    people it is Cohen's kappa. `disagreements`: the newest ones; `disagreeing`: how many there are.
    """

    images: int
    agree: float | None
    kappa: float | None
    pairs: list[Pair]
    disagreements: list[Disagreement]
    disagreeing: int


def measure_agreement(limit: int = 100) -> Agreement:
    """Compare each person's last standing verdict on each image.

    A verdict is a confirmation, a new label by somebody who looked, or a rejection; a type that was
    merged counts as the one that stands for it. At most `limit` disagreements are listed.
    """
    verdicts = _verdicts()
    person_ids = {person for by_person in verdicts.values() for person in by_person}
    people = get_user_model().objects.in_bulk(person_ids)
    shared = defaultdict(list)
    for by_person in verdicts.values():
        for first, second in combinations(sorted(by_person), 2):
            shared[first, second].append((by_person[first], by_person[second]))
    pairs = [
        Pair(people[first], people[second], len(both), *_agreement(both))
        for (first, second), both in sorted(shared.items(), key=lambda item: -len(item[1]))
    ]
    disagreeing = sorted(
        image for image, by_person in verdicts.items() if len(set(by_person.values())) > 1
    )
    return Agreement(
        images=len(verdicts),
        agree=1 - len(disagreeing) / len(verdicts) if verdicts else None,
        kappa=_pooled(pairs),
        pairs=pairs,
        disagreements=_disagreements(disagreeing[-limit:][::-1], verdicts, people),
        disagreeing=len(disagreeing),
    )


def _verdicts() -> dict[int, dict[int, str]]:
    """Image → person → label's slug or “rejected”, for images that two people or more judged."""
    looked = Q(action__in=[Action.CONFIRM, Action.REJECT])
    looked |= Q(action=Action.RELABEL, state_to=State.CONFIRMED)
    judged = Review.objects.filter(looked, undone_by=None, by__isnull=False).exclude(
        note__startswith=history.MERGED
    )
    several = (
        judged.order_by()
        .values("image")
        .annotate(people=Count("by", distinct=True))
        .filter(people__gte=2)
    )
    newest = (
        judged.filter(image__in=several.values("image"))
        .order_by()
        .values("image", "by")
        .annotate(newest=Max("pk"))
    )
    types = {pk: row.slug for pk, row in survivors(ShoeType.objects.all()).items()}
    found = defaultdict(dict)
    for part in batches(newest.values_list("newest", flat=True)):
        rows = Review.objects.filter(pk__in=part)
        for image, by, state, label in rows.values_list("image", "by", "state_to", "label_to"):
            found[image][by] = REJECTED if state == State.REJECTED else types.get(label, "")
    return dict(found)


def _agreement(both: list[tuple[str, str]]) -> tuple[float, float]:
    """`agree` and `chance` of a `Pair` with these verdicts."""
    first, second = Counter(a for a, _ in both), Counter(b for _, b in both)
    chance = sum(first[verdict] * second[verdict] for verdict in first) / len(both) ** 2
    return sum(a == b for a, b in both) / len(both), chance


def _kappa(agree: float, chance: float) -> float | None:
    return None if chance >= 1 else (agree - chance) / (1 - chance)


def _pooled(pairs: list[Pair]) -> float | None:
    """Kappa of the pairs' shares, averaged with the number of images as weight."""
    total = sum(pair.images for pair in pairs)
    if not total:
        return None
    agree = sum(pair.images * pair.agree for pair in pairs) / total
    return _kappa(agree, sum(pair.images * pair.chance for pair in pairs) / total)


def _disagreements(image_ids: list[int], verdicts, people) -> list[Disagreement]:
    names = dict(ShoeType.objects.values_list("slug", "name"))
    images = ShoeImage.objects.select_related("label", "proposed").in_bulk(image_ids)
    return [
        Disagreement(
            images[pk],
            [(people[by], names.get(slug, slug)) for by, slug in sorted(verdicts[pk].items())],
        )
        for pk in image_ids
    ]
