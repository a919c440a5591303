"""Which version answers: promotion, its gate, and the way back."""

from django.conf import settings
from django.db import transaction

from classifier.assess import request
from classifier.errors import ClassifierError
from classifier.models import Evaluation, ModelVersion, Promotion
from classifier.registry import store


class VersionNotFound(ClassifierError):
    """No version, or more than one, answers to a name."""

    text: str
    why: str
    code = "version_not_found"
    message = "“{text}” names {why}; give a number or the start of a digest."


class PromotionRefused(ClassifierError):
    """The version is held back, because of `why`, a sentence."""

    why: str
    code = "promotion_refused"
    message = "{why}"


class NothingToRollBack(ClassifierError):
    """There is no version to go back to."""

    code = "nothing_to_roll_back"
    message = "No version was active before this one; promote another one instead."


def find(text: str) -> ModelVersion:
    """The version with this number, this start of a digest, or “active”."""
    text = text.strip().lower()
    rows = store.named(text)
    if len(rows) != 1:
        raise VersionNotFound(text, "more than one version" if rows else "no version")
    return rows[0]


def promote(version: ModelVersion, by=None, why="", force=False) -> Promotion:
    """Make `version` the one that answers.

    It must load and reproduce its reference logits, and where it and the active version were judged
    on the same snapshot it must not be worse by more than `PROMOTE_MAX_LOSS` of accuracy, unless
    `force`. Raises `BrokenVersion`, `PromotionRefused`.
    """
    store.verify(version)
    if not force:
        _gate(version)
    return _activate(version, Promotion.Kind.PROMOTE, by, why)


def rollback(by=None, why="") -> Promotion:
    """Back to the version that was active before the present one was promoted.

    Raises `NothingToRollBack`.
    """
    active = ModelVersion.objects.filter(active=True).first()
    came = active and active.promotions.filter(kind=Promotion.Kind.PROMOTE).first()
    if not came or not came.previous:
        raise NothingToRollBack
    store.verify(came.previous)
    return _activate(came.previous, Promotion.Kind.ROLLBACK, by, why)


@transaction.atomic
def _activate(version, kind, by, why) -> Promotion:
    # Every promotion locks all versions in one order, so two at once follow each other.
    rows = {row.pk: row for row in ModelVersion.objects.select_for_update().order_by("pk")}
    previous = next((row for row in rows.values() if row.active), None)
    if previous and previous.pk == version.pk:
        raise PromotionRefused(f"{version} is active already; there is nothing to do.")
    ModelVersion.objects.filter(active=True).update(active=False)
    ModelVersion.objects.filter(pk=version.pk).update(active=True)
    version.active = True
    transaction.on_commit(lambda: request.after(request.PROMOTION, by))
    return Promotion.objects.create(version=version, previous=previous, kind=kind, by=by, why=why)


def _gate(version) -> None:
    active = ModelVersion.objects.filter(active=True).first()
    if active is None or active.pk == version.pk:
        return
    judged = Evaluation.objects.filter(state=Evaluation.State.DONE)
    for mine in judged.filter(version=version).select_related("snapshot"):
        theirs = judged.filter(version=active, snapshot=mine.snapshot_id).first()
        if not theirs:
            continue
        loss = theirs.metrics["accuracy"] - mine.metrics["accuracy"]
        if loss > settings.PROMOTE_MAX_LOSS:
            raise PromotionRefused(
                f"On {mine.snapshot} it is right in {mine.metrics['accuracy']:.1%}, the active "
                f"version in {theirs.metrics['accuracy']:.1%}; force it if you mean it."
            )
