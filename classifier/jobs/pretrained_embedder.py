"""Pretrained embedders: ask for one, supervise its export, load it.

This module never imports torch; the export itself happens in a subprocess,
`manage.py export_embedder --job`.
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
    """Pretrained weights were not found. `tried`: where; `offers`: what this machine has."""

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
    """The job of this embedder is not done yet."""

    row: PretrainedEmbedder
    code = "embedder_not_exported"
    message = (
        "The embedder {row} is {row.state} and not there yet; "
        "the training worker exports it, or `manage.py export_embedder --wait`."
    )


class BrokenEmbedder(ClassifierError):
    """The embedder's files are missing, damaged, or compute other numbers on this machine."""

    row: PretrainedEmbedder
    why: str
    code = "broken_embedder"
    message = (
        "The embedder {row} cannot be used: {why}; `manage.py export_embedder --again` makes it "
        "anew."
    )


def ask(by=None, again: bool = False, since: datetime | None = None) -> PretrainedEmbedder:
    """Queue the export of the embedder that `EMBED_ARCH` and `EMBED_SIZE` name, or return its row.

    A failed or paused one is resumed unless it stopped after `since`, which is the time of the
    first call where a caller asks again and again. With `again` a finished one is exported anew.
    """
    kind = {"arch": settings.EMBED_ARCH, "size": settings.EMBED_SIZE}
    if again:
        PretrainedEmbedder.objects.filter(**kind, state=State.DONE).delete()
    rows = PretrainedEmbedder.objects.exclude(state=State.CANCELLED)
    row, new = rows.get_or_create(**kind, defaults={"asked_by": by})
    if new:
        row.ring()
    elif row.state in (State.FAILED, State.PAUSED) and (since is None or _stopped(row) < since):
        # Refused where another process has just resumed it.
        with suppress(TransitionRefused):
            row.resume()
    return row


def _stopped(row: PretrainedEmbedder) -> datetime:
    return row.finished_at or row.heartbeat_at or row.created_at


def load(row: PretrainedEmbedder) -> Embedder:
    """The embedder, its files' digests and its reference embedding checked.

    A damaged local copy is removed and fetched once more. Raises NotExported, BrokenEmbedder.
    """
    if not row.digest:
        raise NotExported(row)
    try:
        return stored.load(row, Embedder.load)
    except BrokenVersion as error:
        raise BrokenEmbedder(row, error.why) from error


def supervise(claim: Claim) -> None:
    """Perform an export job: run the exporting process."""
    if claim.job.digest:
        return  # The worker before this one died after the last step.
    command = subprocesses.management_command(
        "export_embedder", "--job", claim.pk, "--attempt", claim.attempt
    )
    log = subprocesses.log_file(f"embedder-{claim.pk}")
    subprocesses.supervise(claim, command, "exporting", log)
