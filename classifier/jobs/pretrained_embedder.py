"""Embedders made of pretrained weights: asking for one, watching over its export, loading it.

This module never imports torch; the export itself happens in `manage.py export_embedder --job`, a
process of its own.
"""

from contextlib import suppress
from datetime import datetime

from django.conf import settings

from classifier.errors import BrokenVersion, ClassifierError
from classifier.inference.embedding import Embedder
from classifier.jobs import subprocesses
from classifier.models import PretrainedEmbedder
from classifier.registry import stored
from shoeproject.jobs import Claim, State, TransitionRefused


class NoEmbedderWeights(ClassifierError):
    """Pretrained weights were not found; `tried` and `offers` say where, in words."""

    arch: str
    tried: str
    offers: str
    code = "no_embedder_weights"
    message = (
        "No pretrained weights for {arch}. Tried: {tried}. On this machine: {offers}. "
        "Set PRETRAINED_WEIGHTS to a file of weights for {arch}, or EMBED_ARCH to a network whose "
        "weights are at hand, and ask again. "
        "The model that comes with the project does not count: it has seen labels."
    )


class WeightsSawLabels(ClassifierError):
    """The weights come from a training on labelled photographs, here or in another installation."""

    described: str
    code = "weights_saw_labels"
    message = (
        "The weights {described} learnt from labelled photographs, perhaps from those that "
        "are to be assessed. Set PRETRAINED_WEIGHTS to weights that did not, or to nothing if "
        "this machine can fetch them, and ask again."
    )


class NotExported(ClassifierError):
    """There is a job for this embedder and no file yet."""

    row: PretrainedEmbedder
    code = "embedder_not_exported"
    message = (
        "The embedder {row} is {row.state} and not there yet; "
        "the training worker exports it, or `manage.py export_embedder --wait`."
    )


class BrokenEmbedder(ClassifierError):
    """Its files are missing, damaged, or compute other numbers here."""

    row: PretrainedEmbedder
    why: str
    code = "broken_embedder"
    message = (
        "The embedder {row} cannot be used: {why}; `manage.py export_embedder --again` makes it "
        "anew."
    )


def ask(by=None, again: bool = False, since: datetime | None = None) -> PretrainedEmbedder:
    """The embedder that `EMBED_ARCH` and `EMBED_SIZE` name: the row there is, or a new one queued.

    A failed or paused one is resumed, but not if it stopped after `since`: whoever asks in rounds
    gives the moment of the first. With `again` one that is done is dropped and made anew.
    """
    of_kind = {"arch": settings.EMBED_ARCH, "size": settings.EMBED_SIZE}
    if again:
        PretrainedEmbedder.objects.filter(**of_kind, state=State.DONE).delete()
    rows = PretrainedEmbedder.objects.exclude(state=State.CANCELLED)
    row, new = rows.get_or_create(**of_kind, defaults={"asked_by": by})
    if new:
        row.ring()
    elif row.state in (State.FAILED, State.PAUSED) and (since is None or _stopped(row) < since):
        # Refused where somebody else has just resumed it.
        with suppress(TransitionRefused):
            row.resume()
    return row


def _stopped(row: PretrainedEmbedder) -> datetime:
    return row.finished_at or row.heartbeat_at or row.created_at


def load(row: PretrainedEmbedder) -> Embedder:
    """The embedder's network, checked against every sum and the reference on its card.

    A damaged local copy is thrown away and fetched once more. Raises NotExported, BrokenEmbedder.
    """
    if not row.digest:
        raise NotExported(row)
    try:
        return stored.load(row, Embedder.load)
    except BrokenVersion as error:
        raise BrokenEmbedder(row, error.why) from error


def supervise(claim: Claim) -> None:
    """Perform an export job: start the process, keep the lease, pass on a stop."""
    if claim.job.digest:
        return  # The worker before this one died after the last step.
    command = subprocesses.management_command(
        "export_embedder", "--job", claim.pk, "--attempt", claim.attempt
    )
    log = subprocesses.log_file(f"embedder-{claim.pk}")
    subprocesses.supervise(claim, command, "exporting", log)
