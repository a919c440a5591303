"""Looking at pictures, shared by as many workers as are free: chunk rows with leases."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

from celery import current_app
from django.conf import settings
from django.core.files.storage import storages
from django.db.models import F, Q
from django.utils import timezone

from classifier.assess import feature_store, features
from classifier.assess.sights import Sights
from classifier.errors import UnreadablePicture
from classifier.inference.embedding import Embedder
from curation.models import AssessChunk, AssessRun
from curation.models.image import media_name
from shoeproject.jobs import ClaimLost

logger = logging.getLogger(__name__)
TASK = "classifier.assess_part"
POLL_SECONDS = 0.5
# Chunks that a called worker looks at before it lets whatever waits behind the call have its turn.
HELPED_CHUNKS = 4


def make(run: AssessRun, number: int) -> None:
    """Have chunk rows for `number` parts; those there are stay as they are."""
    AssessChunk.objects.bulk_create(
        (AssessChunk(run=run, number=i) for i in range(number)), ignore_conflicts=True
    )


def call_for_help(run: AssessRun) -> None:
    """Tell other short workers that there are chunks; nobody has to come."""
    waiting = AssessChunk.objects.filter(run=run, done_at=None).count()
    for _ in range(min(waiting - 1, settings.ASSESS_HELPERS)):
        if not _call(run.pk):
            return


def _call(run_id: int) -> bool:
    try:
        current_app.send_task(TASK, args=[run_id], expires=4 * settings.JOB_RING_SECONDS)
    except Exception as error:
        # As with a job's bell: whatever the broker's client raises, the work goes on without.
        logger.warning("The broker did not take a call for help: %s", error)
        return False
    return True


def work(
    run: AssessRun, planned: feature_store.Plan, eye: Embedder, tick: Callable[[], None], most=None
) -> None:
    """Look at chunks until none is left to take, or at so many at `most`. Raises what `tick`
    raises."""
    for _ in count() if most is None else range(most):
        chunk = _take(run.pk)
        if chunk is None:
            return
        rows = planned.part(chunk.number)
        digests = [digest.decode() for digest in planned.stored[rows].tolist()]
        sights = _see(digests, eye, lambda chunk=chunk: (_renew(chunk), tick()))
        feature_store.save_part(run.pk, chunk.number, sights)
        # Whoever took it over since writes the same again.
        AssessChunk.objects.filter(pk=chunk.pk).update(done_at=timezone.now(), lease_until=None)
        tick()


def wait(run: AssessRun, tick: Callable[[], None], again: Callable[[], None]) -> None:
    """Until every chunk is done; what a dead worker left is taken by `again`."""
    open_chunks = AssessChunk.objects.filter(run=run, done_at=None)
    while open_chunks.exists():
        tick()
        again()
        if open_chunks.exists():
            time.sleep(POLL_SECONDS)


def help_with(run_id: int, load: Callable[[AssessRun], Embedder]) -> None:
    """What a called worker does: look at some chunks as long as the run goes on, and call again if
    any are left."""

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


def done(run: AssessRun) -> int:
    """How many chunks are done."""
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
    """Chunks that nobody has done or is at."""
    unleased = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return AssessChunk.objects.filter(unleased, run=run_id, done_at=None)


def _renew(chunk: AssessChunk) -> None:
    AssessChunk.objects.filter(pk=chunk.pk, attempt=chunk.attempt).update(lease_until=_lease())


def _lease():
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _see(digests: list[str], eye: Embedder, tick: Callable[[], None]) -> Sights:
    # Decoding and ONNX Runtime both let go of the interpreter, so threads keep the cores busy.
    sights, last = [], time.monotonic()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for seen in pool.map(lambda digest: _one(digest, eye), digests):
                sights.append(seen)
                if time.monotonic() - last > settings.JOB_TICK_SECONDS:
                    last = time.monotonic()
                    tick()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return features.gather(sights, eye)


def _one(digest: str, eye: Embedder) -> features.Sight | None:
    try:
        with storages["media"].open(media_name(digest)) as file:
            return features.see(file.read(), eye)
    except (FileNotFoundError, UnreadablePicture) as error:
        # It was purged meanwhile, or a disk lost it: the others are assessed all the same.
        logger.warning("Picture %s is not assessed: %s", digest[:12], error)
        return None
