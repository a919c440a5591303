"""Promote a version to the active one, and roll back."""

from django.conf import settings
from django.db import transaction

from classifier.assess import request
from classifier.errors import ClassifierError
from classifier.models import Evaluation, ModelVersion, Promotion
from classifier.registry import stored


class PromotionRefused(ClassifierError):
    """The version may not become active; `why` is a sentence."""

    why: str
    code = "promotion_refused"
    message = "{why}"


class NothingToRollBack(ClassifierError):
    """No version was active before."""

    code = "nothing_to_roll_back"
    message = "No version was active before this one; promote another one instead."


def promote(version: ModelVersion, by=None, why="", force=False) -> Promotion:
    """Make `version` the one that answers.

    It must load and reproduce its reference logits, and where it and the active version were judged
    on the same snapshot it must not be worse by more than `PROMOTE_MAX_LOSS` of accuracy, unless
    `force`. Raises `BrokenVersion`, `PromotionRefused`.
    """
    stored.verify(version)
    if not force:
        _refuse_if_worse(version)
    return _activate(version, Promotion.Kind.PROMOTE, by, why)


def rollback(by=None, why="") -> Promotion:
    """Return to the version that was active before the present one was promoted.

    Raises `NothingToRollBack`.
    """
    active = ModelVersion.objects.filter(active=True).first()
    promotion = active and active.promotions.filter(kind=Promotion.Kind.PROMOTE).first()
    if not promotion or not promotion.previous:
        raise NothingToRollBack
    stored.verify(promotion.previous)
    return _activate(promotion.previous, Promotion.Kind.ROLLBACK, by, why)


@transaction.atomic
def _activate(version, kind, by, why) -> Promotion:
    # Every promotion locks all versions in one order, so two at once follow each other.
    rows = ModelVersion.objects.select_for_update().order_by("pk")
    previous = next((row for row in rows if row.active), None)
    if previous and previous.pk == version.pk:
        raise PromotionRefused(f"{version} is active already; there is nothing to do.")
    ModelVersion.objects.filter(active=True).update(active=False)
    ModelVersion.objects.filter(pk=version.pk).update(active=True)
    version.active = True
    transaction.on_commit(lambda: request.after(request.PROMOTION, by))
    return Promotion.objects.create(version=version, previous=previous, kind=kind, by=by, why=why)


def _refuse_if_worse(version) -> None:
    active = ModelVersion.objects.filter(active=True).first()
    if active is None or active.pk == version.pk:
        return
    judged = Evaluation.objects.filter(state=Evaluation.State.DONE)
    for new in judged.filter(version=version).select_related("snapshot"):
        old = judged.filter(version=active, snapshot=new.snapshot_id).first()
        if old and old.metrics["accuracy"] - new.metrics["accuracy"] > settings.PROMOTE_MAX_LOSS:
            raise PromotionRefused(
                f"On {new.snapshot} it is right in {new.metrics['accuracy']:.1%}, the active "
                f"version in {old.metrics['accuracy']:.1%}; force it if you mean it."
            )
