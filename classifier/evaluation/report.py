"""How often a version is right: its metrics, type by type and in words."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from classifier.evaluation.metrics import MIN_GROUPS
from classifier.evaluation.wording import count, percentage, percentage_range
from classifier.inference.thresholds import TYPE
from classifier.models import Evaluation, ModelVersion
from curation.models import ShoeImage
from curation.taxonomy.guide import Guide

JUDGED, TOO_FEW, NOT_LEARNT, UNKNOWN = STATES = ("judged", "too-few", "not-learnt", "unknown")
CATALOGUE, STREET = ShoeImage.Scene.CATALOGUE, ShoeImage.Scene.STREET
ONE_SOURCE = 0.8  # share of a type's training photos from which on its figure needs a caveat


@dataclass(frozen=True)
class TypeAccuracy:
    """How often a version is right about one type.

    `state`: "judged"; "too-few" (below MIN_GROUPS groups in the test split); "not-learnt";
    "unknown" (learnt, but never judged as it stands today). `accuracy` and its 95 % `interval`:
    from 0 to 1, None unless judged; the interval may be missing all the same. `images` and
    `groups`: of the test split. `out_of_fold`: a row as in `metrics.measure`, from trainings on a
    part of the data, for a type that was learnt. `one_source`: the share of its training photos
    that came from the largest source; 0 where the card does not say.
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
        """A word or two to show beside the type's name."""
        if self.state == JUDGED:
            if self.accuracy in (0, 1):
                return f"{self.images if self.accuracy else 0:,} of {self.images:,} right"
            return f"{percentage(self.accuracy)} right"
        return {
            TOO_FEW: "too few to judge",
            NOT_LEARNT: "not learnt yet",
            UNKNOWN: "not judged yet",
        }[self.state]

    @property
    def sentence(self) -> str:
        """`short` in a sentence; empty for a type that was not learnt."""
        if self.state == JUDGED:
            accuracy = _accuracy(
                self.accuracy, self.images, "test photo", self.groups, self.interval
            )
            return f"Right in {accuracy}."
        if self.state == TOO_FEW:
            few = "There is no test photo of it"
            if self.images:
                products = count(self.groups, "product")
                few = f"Only {count(self.images, 'test photo')} of it ({products})"
            return f"{few}, so how often the model is right cannot be said."
        if self.state == UNKNOWN:
            return "How often the model is right about this type has not been measured."
        return ""

    @property
    def estimate(self) -> str:
        """The accuracy of smaller trainings in a sentence, unless judged; empty where unknown."""
        row = self.out_of_fold
        if self.state == JUDGED or not row:
            return ""
        accuracy = _accuracy(
            row["accuracy"], row["images"], "photo", row["groups"], row.get("interval")
        )
        return (
            "An estimate from smaller trainings, each tested on photos that it had not seen: "
            f"right in {accuracy}. The model on duty may do better or worse."
        )

    @property
    def caveat(self) -> str:
        """A warning where most photos come from one source; else empty."""
        if self.one_source < ONE_SOURCE or self.state not in (JUDGED, TOO_FEW):
            return ""
        return (
            f"{percentage(self.one_source)} of the training photos of this type come from one "
            "source, and most test photos too. The model may know that source's way of "
            "photographing as much as the shoe; with photos from elsewhere it is probably right "
            "less often."
        )


def metrics_of(version: ModelVersion) -> dict:
    """A version's metrics, as `metrics.measure` gives them; one query.

    Those of its newest finished evaluation, or those on its card where these counted more test
    photos: a few dozen photos of one's own say less about a model than the thousands it came judged
    on. Empty where there are neither. Old ones have fewer keys.
    """
    return metrics_of_all([version])[version.pk]


def metrics_of_all(versions: Iterable[ModelVersion]) -> dict[int, dict]:
    """`metrics_of` several versions, by primary key; one query."""
    versions = list(versions)
    done = Evaluation.objects.filter(version__in=versions, state=Evaluation.State.DONE)
    newest = dict(done.order_by("pk").values_list("version", "metrics"))
    return {
        version.pk: found
        if (found := newest.get(version.pk)) and not card_counts_more(version, found)
        else card_metrics(version)
        for version in versions
    }


def card_counts_more(version: ModelVersion, metrics: dict) -> bool:
    """Whether the version's card counted more test photos than an evaluation with `metrics`."""
    return card_metrics(version).get("images", 0) > metrics["images"]


def card_metrics(version: ModelVersion) -> dict:
    """The metrics on the version's card; empty where it has none."""
    return (version.card.get("test") or {}).get("metrics") or {}


def accuracy_by_type(
    version: ModelVersion, guide: Guide, metrics: dict | None = None
) -> dict[str, TypeAccuracy]:
    """The accuracy of every type of today's guide, by slug; one query, or none with `metrics`.

    `metrics`: what `metrics_of` gave. Metrics of a type that merged into another count for that
    one, unless it takes the answers of several learnt types: then no metrics describe it, and its
    state is "unknown".
    """
    metrics = metrics_of(version) if metrics is None else metrics
    estimates = (version.card.get("out_of_fold") or {}).get("per_type") or {}
    learnt = defaultdict(list)
    for info in version.card["classes"]:
        row = guide.survivor(info["slug"]) if info["kind"] == TYPE else None
        if row:
            learnt[row.slug].append(info["slug"])
    rows, seen = metrics.get("per_type") or {}, version.card["training"].get("seen") or {}
    return {
        row.slug: _type_accuracy(row.slug, learnt.get(row.slug, []), rows, estimates, seen)
        for row in guide.types()
    }


def _type_accuracy(
    slug: str, learnt: list[str], rows: dict, estimates: dict, seen: dict
) -> TypeAccuracy:
    if not learnt:
        return TypeAccuracy(NOT_LEARNT)
    if len(learnt) > 1:
        return TypeAccuracy(UNKNOWN)
    row = rows.get(learnt[0])
    sources = list((seen.get(learnt[0]) or {}).get("sources", {}).values())
    extra = {
        "out_of_fold": estimates.get(learnt[0]),
        "one_source": max(sources) / sum(sources) if sources else 0.0,
    }
    if row is None:
        # Judged without a picture of it; those of a merged type may have another label by now.
        without = rows and learnt[0] == slug
        return TypeAccuracy(TOO_FEW if without else UNKNOWN, **extra)
    extra |= {"images": row["images"], "groups": row["groups"]}
    if row["groups"] < MIN_GROUPS:
        return TypeAccuracy(TOO_FEW, **extra)
    interval = tuple(row["interval"]) if row.get("interval") else None
    return TypeAccuracy(JUDGED, row["accuracy"], interval, **extra)


def scene_accuracy(metrics: dict, name: str) -> float | None:
    """Accuracy on the photos of one scene; None where there are too few groups to tell."""
    row = (metrics.get("per_scene") or {}).get(name)
    return row["accuracy"] if row and row["groups"] >= MIN_GROUPS else None


def scenes_sentence(metrics: dict) -> str:
    """A sentence with the accuracy on catalogue and on street photos; empty where unknown."""
    street, catalogue = scene_accuracy(metrics, STREET), scene_accuracy(metrics, CATALOGUE)
    if street is None:
        return ""
    first = "" if catalogue is None else f"in {percentage(catalogue)} of catalogue photos and "
    return (
        f"Over all types it is right {first}in {percentage(street)} of photos as people take them "
        "(worn, on floors, from above)."
    )


def harder_photos_sentence(metrics: dict) -> str:
    """A sentence that photos of worn shoes are harder, where the metrics say so; else empty."""
    street, catalogue = scene_accuracy(metrics, STREET), scene_accuracy(metrics, CATALOGUE)
    if street is None or catalogue is None or street >= catalogue:
        return ""
    return (
        "Worn shoes and photos from above are harder: the model is right in "
        f"{percentage(street)} of those and in {percentage(catalogue)} of catalogue photos."
    )


def headlines(metrics: dict) -> list[str]:
    """The metrics of a version as a whole, a line each, the most telling first."""
    lines = []
    judged = metrics.get("judged")
    if judged and judged["types"]:
        enough = (
            f"{count(judged['types'], 'type')} with at least {judged['min_groups']} test groups"
        )
        lines.append(
            f"{percentage(judged['accuracy'], 1)} right over the {enough} "
            f"(95% interval {percentage_range(judged['interval'], 1)}), "
            f"{percentage(judged['macro_accuracy'], 1)} on average over these types"
        )
    if "accuracy" in metrics:
        lines.append(f"{percentage(metrics['accuracy'], 1)} right{_overall(metrics)}")
    if "category_accuracy" in metrics:
        lines.append(
            f"{percentage(metrics['category_accuracy'], 1)} right about the category "
            f"(95% interval {percentage_range(metrics['category_interval'], 1)})"
        )
    if "ece" in metrics:
        lines.append(f"calibration error {percentage(metrics['ece'], 1)}")
    if "answers" in metrics:
        lines.append(_answered(metrics["answers"]))
    if "coverage" in metrics:
        lines.append(_coverage(metrics["coverage"]))
    return lines


def _answered(answers: dict) -> str:
    """The line on the version's own thresholds; `answers` as in `metrics.measure`."""
    words = (
        f"{percentage(answers['share'], 1)} answered with a type by its own threshold "
        f"(95% interval {percentage_range(answers['interval'], 1)})"
    )
    for key, what in (("right", "of these right"), ("right_of_all", "counting what is no type")):
        row = answers[key]
        if row["images"]:
            right, interval = percentage(row["accuracy"], 1), percentage_range(row["interval"], 1)
            words += f", {right} {what} (95% interval {interval})"
    return words


def _coverage(coverage: dict) -> str:
    """The line on the best that any threshold could do; `coverage` as in `metrics.coverage`."""
    threshold = coverage["threshold"]
    at = "" if threshold is None else f", answering from a confidence of {threshold:.3f}"
    return (
        f"{percentage(coverage['share'], 1)} coverage "
        f"at {percentage(coverage['precision'])} precision "
        f"(95% interval {percentage_range(coverage['interval'], 1)}){at}"
    )


def _overall(metrics: dict) -> str:
    words = ""
    if metrics.get("interval"):
        words += (
            f" ({metrics['right']:,} of {count(metrics['images'], 'test image')}, "
            f"95% interval {percentage_range(metrics['interval'], 1)})"
        )
    for key, what in (
        ("macro_accuracy", "on average over types"),
        ("top5", "among the five best"),
    ):
        if key in metrics:
            words += f", {percentage(metrics[key], 1)} {what}"
    return words


def _accuracy(accuracy: float, images: int, noun: str, groups: int, interval) -> str:
    """As in: 93% of 130 test photos (72 products; 95% interval 87% to 96%)."""
    share = percentage(accuracy) + " of"
    if accuracy in (0, 1) and images > 1:
        share = "all" if accuracy else "none of"
    sure = f"; 95% interval {percentage_range(interval)}" if interval else ""
    return f"{share} {count(images, noun)} ({count(groups, 'product')}{sure})"
