"""What was made of purged pictures, dropped: on this machine's disk the files fetched for training
and the pixels decoded from them, in the storage what assessments saw."""

import json
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from classifier.assess import feature_store
from classifier.jobs.decoded_pictures import INDEX, SUFFIX


def drop(digests: Iterable[str]) -> None:
    """Remove what was kept of the stored pictures with these digests."""
    digests = set(digests)
    feature_store.forget(digests)
    for digest in digests:
        folder = settings.CACHE_DIR / "pictures" / digest[:2]
        # One that is being fetched right now lies beside under a longer name.
        for path in folder.glob(f"{digest}*"):
            path.unlink(missing_ok=True)
    for pixels in (settings.CACHE_DIR / "decoded").glob(f"*{SUFFIX}"):
        if digests & (_pictures_in(pixels.with_suffix(INDEX)) or digests):
            # A training that has the pixels mapped keeps them until it ends; the next one decodes
            # its pictures anew.
            pixels.unlink(missing_ok=True)
            pixels.with_suffix(INDEX).unlink(missing_ok=True)


def _pictures_in(index: Path) -> set[str]:
    """Digests of the pictures that an index lists; none where it cannot be read."""
    try:
        return {Path(path).stem for path in json.loads(index.read_text())}
    except (OSError, ValueError):
        return set()


def drop_purged(sender, digests, **kwargs):
    """Receiver of `curation.decisions.purge.purged`."""
    drop(digests)
