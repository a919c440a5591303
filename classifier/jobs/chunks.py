"""Features of an assessment's pictures, computed by as many workers as are free.

Each chunk of pictures is a row with a lease of its own.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from celery import current_app
from django.conf import settings
from django.core.files.storage import storages
from django.db.models import F, Q
from django.utils import timezone

from classifier.assess import feature_store, features
from classifier.errors import UnreadablePicture
from classifier.inference.embedding import Embedder
from curation.models import AssessChunk, AssessRun
from curation.models.image import media_name
from shoeproject.jobs import ClaimLost
from shoeproject.parallel import map_in_threads

logger = logging.getLogger(__name__)
TASK = "classifier.assess_part"
POLL_SECONDS = 0.5
# Chunks that a helping worker does before other tasks in its queue get their turn.
HELPED_CHUNKS = 4


def create(run: AssessRun, number: int) -> None:
    """Create `number` chunk rows; existing ones stay as they are."""
    AssessChunk.objects.bulk_create(
        (AssessChunk(run=run, number=i) for i in range(number)), ignore_conflicts=True
    )


def call_helpers(run: AssessRun) -> None:
    """Ask other workers of the short queue to help; none has to."""
    waiting = AssessChunk.objects.filter(run=run, done_at=None).count()
    for _ in range(min(waiting - 1, settings.ASSESS_HELPERS)):
        if not _call(run.pk):
            return


def _call(run_id: int) -> bool:
    try:
        current_app.send_task(TASK, args=[run_id], expires=4 * settings.JOB_RING_SECONDS)
    except Exception as error:
        # The broker's client may raise anything; the work goes on without helpers.
        logger.warning("Could not call helpers through the broker: %s", error)
        return False
    return True


def work(
    run: AssessRun,
    planned: feature_store.Plan,
    embedder: Embedder,
    tick: Callable[[], None],
    limit: int | None = None,
) -> None:
    """Compute the features of chunks until none is free, or of `limit` chunks. Raises what `tick`
    raises."""
    for _ in count() if limit is None else range(limit):
        chunk = _take(run.pk)
        if chunk is None:
            return
        rows = planned.chunk(chunk.number)
        digests = [digest.decode() for digest in planned.stored[rows].tolist()]
        arrays = _compute(digests, embedder, lambda chunk=chunk: (_renew(chunk), tick()))
        feature_store.save_chunk(run.pk, chunk.number, arrays)
        # A worker that took the chunk over meanwhile writes the same again.
        AssessChunk.objects.filter(pk=chunk.pk).update(done_at=timezone.now(), lease_until=None)
        tick()


def wait(run: AssessRun, tick: Callable[[], None], again: Callable[[], None]) -> None:
    """Wait until every chunk is done; `again` takes over chunks of workers that died."""
    open_chunks = AssessChunk.objects.filter(run=run, done_at=None)
    while open_chunks.exists():
        tick()
        again()
        if open_chunks.exists():
            time.sleep(POLL_SECONDS)


def help_with(run_id: int, load: Callable[[AssessRun], Embedder]) -> None:
    """Do some chunks of a run as long as it is running, then call a helper again if any are left.

    `load` gives the run's embedder.
    """

    def still_running():
        if not AssessRun.objects.filter(pk=run_id, state=AssessRun.State.RUNNING).exists():
            raise ClaimLost

    run = AssessRun.objects.filter(pk=run_id, state=AssessRun.State.RUNNING).first()
    if run is None or not _free(run_id).exists():
        return
    try:
        work(run, feature_store.plan(run), load(run), still_running, HELPED_CHUNKS)
    except ClaimLost:
        logger.info("%s goes on without help", run)
        return
    if _free(run_id).exists():
        _call(run_id)


def count_done(run: AssessRun) -> int:
    """Number of chunks that are done."""
    return AssessChunk.objects.filter(run=run, done_at__isnull=False).count()


def _take(run_id: int) -> AssessChunk | None:
    """Claim a chunk by compare-and-set, or None where there is none to claim."""
    while True:
        chunk = _free(run_id).first()
        if chunk is None:
            return None
        mine = _free(run_id).filter(pk=chunk.pk, attempt=chunk.attempt)
        if mine.update(lease_until=_lease(), attempt=F("attempt") + 1):
            chunk.attempt += 1
            return chunk


def _free(run_id: int):
    """Chunks that are not done and that no worker holds."""
    unleased = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return AssessChunk.objects.filter(unleased, run=run_id, done_at=None)


def _renew(chunk: AssessChunk) -> None:
    AssessChunk.objects.filter(pk=chunk.pk, attempt=chunk.attempt).update(lease_until=_lease())


def _lease():
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _compute(
    digests: list[str], embedder: Embedder, tick: Callable[[], object]
) -> features.FeatureArrays:
    last = time.monotonic()

    def tick_now_and_then(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > settings.JOB_TICK_SECONDS:
            last = time.monotonic()
            tick()

    # Decoding and ONNX Runtime both release the interpreter lock, so threads keep the cores busy.
    images = map_in_threads(
        lambda digest: _compute_one(digest, embedder), digests, tick_now_and_then
    )
    return features.stack(list(images), embedder)


def _compute_one(digest: str, embedder: Embedder) -> features.ImageFeatures | None:
    try:
        with storages["media"].open(media_name(digest)) as file:
            return features.compute(file.read(), embedder)
    except (FileNotFoundError, UnreadablePicture) as error:
        # It was purged meanwhile, or lost from the storage: the others are assessed all the same.
        logger.warning("Picture %s is not assessed: %s", digest[:12], error)
        return None
