"""How far answers can be trusted: what was measured of a version, type by type and in words."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from classifier.evaluation.metrics import MIN_GROUPS
from classifier.inference.thresholds import TYPE, ClassInfo
from classifier.models import Evaluation, ModelVersion
from curation.models import ShoeImage
from curation.taxonomy.guide import Guide

JUDGED, TOO_FEW, NOT_LEARNT, UNKNOWN = STATES = ("judged", "too-few", "not-learnt", "unknown")
CATALOGUE, STREET = ShoeImage.Scene.CATALOGUE, ShoeImage.Scene.STREET
ONE_SOURCE = 0.8  # share of a type's training photos from which on its figure needs a caveat


@dataclass(frozen=True)
class Learnt:
    """What a version learnt, as its card says: enough for `by_type`, without loading a model."""

    classes: tuple[ClassInfo, ...]

    @classmethod
    def of(cls, version: ModelVersion) -> "Learnt":
        """Read the card."""
        classes = version.card["classes"]
        return cls(tuple(ClassInfo(c["slug"], c["kind"], c["category"]) for c in classes))


@dataclass(frozen=True)
class TypeTrust:
    """What was measured of one type.

    `state`: "judged"; "too-few" (below MIN_GROUPS groups in the test split); "not-learnt";
    "unknown" (learnt, but never judged as it stands today). `accuracy` and its 95 % `interval` are
    from 0 to 1 and only there when judged; the interval may be missing all the same. `images` and
    `groups` are those of the test split. `out_of_fold`: a row as in `metrics.measure`, from
    trainings on a part of the data, for a type that was learnt. `one_source`: the share of its
    training photos that the largest source gave; 0 where the card does not say.
    """

    state: str
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    images: int = 0
    groups: int = 0
    out_of_fold: dict | None = None
    one_source: float = 0.0

    @property
    def short(self) -> str:
        """A word or two beside the type's name."""
        if self.state == JUDGED:
            if self.accuracy in (0, 1):
                return f"{self.images if self.accuracy else 0:,} of {self.images:,} right"
            return f"{share(self.accuracy)} right"
        return {
            TOO_FEW: "too few to judge",
            NOT_LEARNT: "not learnt yet",
            UNKNOWN: "not judged yet",
        }[self.state]

    @property
    def sentence(self) -> str:
        """What `short` means, for a visitor; empty for a type that was not learnt."""
        if self.state == JUDGED:
            words = _right(self.accuracy, self.images, "test photo", self.groups, self.interval)
            return f"R{words[1:]}"
        if self.state == TOO_FEW:
            there = "There is no test photo of it"
            if self.images:
                products = count(self.groups, "product")
                there = f"Only {count(self.images, 'test photo')} of it ({products})"
            return f"{there}, so how often the model is right cannot be said."
        if self.state == UNKNOWN:
            return "How often the model is right about this type has not been measured."
        return ""

    @property
    def estimate(self) -> str:
        """The figure from smaller trainings, where there is no better one; else empty."""
        row = self.out_of_fold
        if self.state == JUDGED or not row:
            return ""
        right = _right(row["accuracy"], row["images"], "photo", row["groups"], row.get("interval"))
        return (
            "An estimate from smaller trainings, each tested on photos that it had not seen: "
            f"{right} The model on duty may do better or worse."
        )

    @property
    def caveat(self) -> str:
        """What a figure is worth whose photos come from one place; empty where they do not."""
        if self.one_source < ONE_SOURCE or self.state not in (JUDGED, TOO_FEW):
            return ""
        return (
            f"{share(self.one_source)} of the training photos of this type come from one source, "
            "and most test photos too. The model may know that source's way of photographing as "
            "much as the shoe; with photos from elsewhere it is probably right less often."
        )


def figures(version: ModelVersion) -> dict:
    """What `metrics.measure` gave for `version`; one query.

    That of the newest finished evaluation, or what is on the version's card where that counted more
    test photos: a few dozen of one's own say less about a model than the thousands it came judged
    on. Empty where there is neither. Those from long ago have fewer keys.
    """
    return figures_of([version])[version.pk]


def figures_of(versions: Iterable[ModelVersion]) -> dict[int, dict]:
    """The same for several, by primary key; one query."""
    versions = list(versions)
    done = Evaluation.objects.filter(version__in=versions, state=Evaluation.State.DONE)
    newest = dict(done.order_by("pk").values_list("version", "metrics"))
    return {
        version.pk: found
        if (found := newest.get(version.pk)) and not card_says_more(version, found)
        else on_card(version)
        for version in versions
    }


def card_says_more(version: ModelVersion, metrics: dict) -> bool:
    """Whether the version's card counted more test photos than an evaluation with `metrics`."""
    return on_card(version).get("images", 0) > metrics["images"]


def on_card(version: ModelVersion) -> dict:
    """The figures that the version came with; empty where it came with none."""
    return (version.card.get("test") or {}).get("metrics") or {}


def by_type(
    version: ModelVersion, guide: Guide, model, measured: dict | None = None
) -> dict[str, TypeTrust]:
    """Slug → trust for every type of today's guide; one query, or none with `measured`.

    `model` is the version's, `measured` what `figures` gave. What was measured of a type that
    merged into another counts for that one, unless it takes the answers of several learnt types:
    then nothing measured describes it, and its state is "unknown".
    """
    measured = figures(version) if measured is None else measured
    estimates = (version.card.get("out_of_fold") or {}).get("per_type") or {}
    learnt = defaultdict(list)
    for info in model.classes:
        row = guide.survivor(info.slug) if info.kind == TYPE else None
        if row:
            learnt[row.slug].append(info.slug)
    rows, seen = measured.get("per_type") or {}, version.card["training"].get("seen") or {}
    return {
        row.slug: _trust(row.slug, learnt.get(row.slug, []), rows, estimates, seen)
        for row in guide.types()
    }


def _trust(slug: str, learnt: list[str], rows: dict, estimates: dict, seen: dict) -> TypeTrust:
    if not learnt:
        return TypeTrust(NOT_LEARNT)
    if len(learnt) > 1:
        return TypeTrust(UNKNOWN)
    row, estimate = rows.get(learnt[0]), estimates.get(learnt[0])
    sources = list((seen.get(learnt[0]) or {}).get("sources", {}).values())
    extra = {
        "out_of_fold": estimate,
        "one_source": max(sources) / sum(sources) if sources else 0.0,
    }
    if row is None:
        # Judged without a picture of it; those of a merged type may have another label by now.
        without = rows and learnt[0] == slug
        return TypeTrust(TOO_FEW if without else UNKNOWN, **extra)
    images, groups = row["images"], row["groups"]
    if groups < MIN_GROUPS:
        return TypeTrust(TOO_FEW, images=images, groups=groups, **extra)
    interval = tuple(row["interval"]) if row.get("interval") else None
    return TypeTrust(JUDGED, row["accuracy"], interval, images, groups, **extra)


def scene(measured: dict, name: str) -> float | None:
    """Accuracy on the photos of one scene; None where there are too few groups to tell."""
    row = (measured.get("per_scene") or {}).get(name)
    return row["accuracy"] if row and row["groups"] >= MIN_GROUPS else None


def about_scenes(measured: dict) -> str:
    """How good a version is on catalogue photos and on those of people; empty where unknown."""
    street, catalogue = scene(measured, STREET), scene(measured, CATALOGUE)
    if street is None:
        return ""
    first = "" if catalogue is None else f"in {share(catalogue)} of catalogue photos and "
    return (
        f"Over all types it is right {first}in {share(street)} of photos as people take them "
        "(worn, on floors, from above)."
    )


def about_worn(measured: dict) -> str:
    """That photos of worn shoes are harder, where the figures say so; else empty."""
    street, catalogue = scene(measured, STREET), scene(measured, CATALOGUE)
    if street is None or catalogue is None or street >= catalogue:
        return ""
    return (
        "Worn shoes and photos from above are harder: the model is right in "
        f"{share(street)} of those and in {share(catalogue)} of catalogue photos."
    )


def headlines(measured: dict) -> list[str]:
    """The figures of a version as a whole, a line each, what says most first."""
    lines = []
    judged = measured.get("judged")
    if judged and judged["types"]:
        enough = (
            f"{count(judged['types'], 'type')} with at least {judged['min_groups']} test groups"
        )
        lines.append(
            f"{share(judged['accuracy'], 1)} right over the {enough} "
            f"(95% interval {between(judged['interval'], 1)}), "
            f"{share(judged['macro_accuracy'], 1)} on average over these types"
        )
    if "accuracy" in measured:
        lines.append(f"{share(measured['accuracy'], 1)} right{_overall(measured)}")
    if "category_accuracy" in measured:
        lines.append(
            f"{share(measured['category_accuracy'], 1)} right about the category "
            f"(95% interval {between(measured['category_interval'], 1)})"
        )
    if "ece" in measured:
        lines.append(f"calibration error {share(measured['ece'], 1)}")
    if "answers" in measured:
        lines.append(_answered(measured["answers"]))
    if "coverage" in measured:
        lines.append(_coverable(measured["coverage"]))
    return lines


def _answered(answers: dict) -> str:
    """What the version's own thresholds do, as in `metrics.measure`."""
    words = (
        f"{share(answers['share'], 1)} answered with a type by its own threshold "
        f"(95% interval {between(answers['interval'], 1)})"
    )
    for key, what in (("right", "of these right"), ("right_of_all", "counting what is no type")):
        row = answers[key]
        if row["images"]:
            right, interval = share(row["accuracy"], 1), between(row["interval"], 1)
            words += f", {right} {what} (95% interval {interval})"
    return words


def _coverable(coverage: dict) -> str:
    """The best that any threshold could do, as in `metrics.coverage`."""
    threshold = coverage["threshold"]
    at = "" if threshold is None else f", answering from a confidence of {threshold:.3f}"
    return (
        f"{share(coverage['share'], 1)} coverage at {share(coverage['precision'])} precision "
        f"(95% interval {between(coverage['interval'], 1)}){at}"
    )


def _overall(measured: dict) -> str:
    words = ""
    if measured.get("interval"):
        words += (
            f" ({measured['right']:,} of {count(measured['images'], 'test image')}, "
            f"95% interval {between(measured['interval'], 1)})"
        )
    for key, what in (
        ("macro_accuracy", "on average over types"),
        ("top5", "among the five best"),
    ):
        if key in measured:
            words += f", {share(measured[key], 1)} {what}"
    return words


def share(value: float, digits: int = 0) -> str:
    """A measured share for people: "93%". Only exactly none is "0%", only exactly all "100%"."""
    exact = round(value, 9)
    if exact <= 0 or exact >= 1:
        return f"{exact:.0%}"
    step = 10 ** -(digits + 2)
    if value < step / 2:
        return f"<{step:.{digits}%}"
    return f"{value:.{digits}%}" if value < 1 - step / 2 else f">{1 - step:.{digits}%}"


def between(interval, digits: int = 0) -> str:
    """An interval for people: "87% to 96%"."""
    low, high = interval
    return f"{share(low, digits)} to {share(high, digits)}"


def count(number: int, what: str) -> str:
    """So many of something: "1 photo", "1,200 photos"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _right(accuracy: float, images: int, what: str, groups: int, interval) -> str:
    """As in: right in 93% of 130 test photos (72 products; 95% interval 87% to 96%)."""
    if accuracy in (0, 1) and images > 1:
        part = f"{'all' if accuracy else 'none of'} {count(images, what)}"
    else:
        part = f"{share(accuracy)} of {count(images, what)}"
    sure = f"; 95% interval {between(interval)}" if interval else ""
    return f"right in {part} ({count(groups, 'product')}{sure})."
