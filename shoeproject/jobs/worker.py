"""Perform a job in a worker: claim its row, do the work, write how it ended."""

import logging
from collections.abc import Callable

from shoeproject.errors import ProjectError
from shoeproject.jobs.claim import Claim, ClaimLost, Paused, Postponed, WorkerDied, WorkerStopping
from shoeproject.jobs.model import Job

logger = logging.getLogger(__name__)


def perform(
    model: type[Job],
    pk: int,
    work: Callable[[Claim], object],
    on_progress: Callable[[Job], object] | None = None,
) -> bool:
    """Claim row `pk` and call `work(claim)`; however that ends is written to the row.

    `on_progress(job)` is called after each heartbeat. Returns False if there was nothing to claim.
    """
    claim = model.claim(pk)
    if claim is None:
        return False
    claim.on_progress = on_progress
    name = f"{model._meta.verbose_name} {pk}"
    try:
        work(claim)
        claim.finish()
    except ClaimLost:
        logger.info("%s was paused, cancelled or taken over by another worker", name)
    except WorkerStopping:
        claim.requeue()
    except KeyboardInterrupt:
        claim.requeue()
        raise
    except WorkerDied as error:
        claim.record_death(error)
    except Postponed as postponed:
        claim.requeue(postponed.until, postponed.reason)
    except Paused as reason:
        logger.warning("%s is paused: %s", name, reason)
        claim.pause(str(reason))
    except ProjectError as error:
        logger.warning("%s failed: %s", name, error.detail)
        claim.fail(error.detail)
    except Exception as error:
        logger.exception("%s failed", name)
        claim.fail(
            f"An error nobody foresaw stopped it ({type(error).__name__}: {error}). "
            "The worker's log has the details."
        )
    return True
