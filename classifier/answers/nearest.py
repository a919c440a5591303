"""The confirmed photographs of a type that are most similar to a visitor's.

Compared are the embeddings that the current assessment stored, if it was made by the model that
answers: memory-mapped from local disk, and only those of the type.
"""

import logging
import threading
import time
from collections.abc import Collection

import numpy as np
from django.conf import settings
from django.urls import reverse

from classifier.answers import public_images
from classifier.answers.answer_id import DIGITS
from classifier.assess import feature_store
from curation.models import CurrentAssessRun, ShoeImage, ShoeType

logger = logging.getLogger(__name__)
READY, NOT_ASSESSED, NONE = STATES = ("ready", "not-assessed", "none")
BLOCK = 1024  # rows compared at a time, some 5 MB of them
# Photographs looked up for each one that is shown: some no longer exist, some are further views of
# a product that is shown already.
CANDIDATES = 5
WEB = ("https://", "http://")

_lock = threading.Lock()
_fetching: dict[int, threading.Thread] = {}
_rows: dict[tuple, tuple[float, np.ndarray]] = {}


def nearest(
    embedding: np.ndarray, digest: str, row: ShoeType, labels: Collection[ShoeType]
) -> dict:
    """The photographs nearest to `embedding` (channels,) among those labelled with `labels`, which
    all count as the type `row` today; at most three queries.

    `digest` is that of the model that made the embedding. `state`: "ready"; "not-assessed" where
    the current assessment was made by another model, or is not on this machine yet; "none" where no
    photograph of the type may be shown. `photos`: best first, one of each product: url (a path
    on this site), type, name, licence, title, page_url (or None), similarity (cosine, -1 to 1).
    """
    run = CurrentAssessRun.objects.filter(run__model_digest=digest)
    run = run.values_list("run", flat=True).first()
    if run is None or not _fetched(run):
        return {"state": NOT_ASSESSED, "photos": []}
    try:
        keys, features = feature_store.embeddings(run)
    except (OSError, ValueError) as error:
        logger.warning("Embeddings of assessment %s cannot be read: %s", run, error)
        return {"state": NOT_ASSESSED, "photos": []}
    photos = public_images.images().filter(label__in=labels)
    rows = _rows_of(run, keys, labels, photos)
    similarities = _similarities(embedding, features, rows)
    most = settings.EXPLAIN_NEAREST
    best = np.argsort(-similarities)[: CANDIDATES * most]
    by_key = {
        int(keys[rows[i]]): float(similarities[i]) for i in best if np.isfinite(similarities[i])
    }
    fields = photos.only("stored_sha256", "group", "licence", "title", "page_url")
    chosen = _choose(fields.in_bulk(list(by_key)), by_key, most)
    return {
        "state": READY if chosen else NONE,
        "photos": [_photo(image, similarity, row) for image, similarity in chosen],
    }


def forget() -> None:
    """Empty this process's cache."""
    _rows.clear()


def _fetched(run: int) -> bool:
    """Whether this machine has the run's files. Otherwise they are fetched in the background, and
    waited for no longer than `EXPLAIN_FETCH_SECONDS`: they may have gigabytes."""
    if feature_store.is_cached(run):
        return True
    with _lock:
        thread = _fetching.get(run)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=_fetch, args=[run], daemon=True)
            _fetching.clear()
            _fetching[run] = thread
            thread.start()
    thread.join(settings.EXPLAIN_FETCH_SECONDS)
    return feature_store.is_cached(run)


def _fetch(run: int) -> None:
    try:
        feature_store.embeddings(run)
        feature_store.drop_earlier_copies(run)
    except (OSError, ValueError) as error:
        logger.warning("Embeddings of assessment %s cannot be fetched: %s", run, error)


def _rows_of(run: int, keys: np.ndarray, labels, photos) -> np.ndarray:
    """The rows of these photographs in the run's files; cached for EXPLAIN_CACHE_SECONDS."""
    now = time.monotonic()
    key = (run, *sorted(label.pk for label in labels))
    expires, rows = _rows.get(key, (now, None))
    if now < expires:
        return rows
    wanted = np.fromiter(photos.values_list("pk", flat=True), np.int64)
    at = np.searchsorted(keys, wanted)
    known = at < len(keys)  # images newer than the run come after its last
    at, wanted = at[known], wanted[known]
    rows = np.sort(at[keys[at] == wanted])
    for old in [k for k, (until, _) in list(_rows.items()) if until <= now]:
        _rows.pop(old, None)
    _rows[key] = (now + settings.EXPLAIN_CACHE_SECONDS, rows)
    return rows


def _similarities(embedding: np.ndarray, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosine of the embedding and each of these rows, float32; -inf where a row is all zeros."""
    similarities = np.full(len(rows), -np.inf, np.float32)
    unit = embedding / max(float(np.linalg.norm(embedding)), 1e-12)
    for start in range(0, len(rows), BLOCK):
        block = np.asarray(features[rows[start : start + BLOCK]], np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        # Not `@`: starting BLAS's threads on a busy machine takes longer than the sums.
        sums = np.einsum("ij,j->i", block, unit)
        np.divide(sums, lengths, out=similarities[start : start + BLOCK], where=lengths > 0)
    return similarities


def _choose(photos: dict, by_key: dict[int, float], most: int) -> list[tuple[ShoeImage, float]]:
    """Up to `most` photographs that still exist, one of each group, with their similarity.

    `by_key`: primary key → similarity, best first.
    """
    chosen, groups = [], set()
    for key, similarity in by_key.items():
        image = photos.get(key)
        if image is None or (image.group and image.group in groups):
            continue
        groups.add(image.group)
        chosen.append((image, similarity))
    return chosen[:most]


def _photo(image: ShoeImage, similarity: float, row: ShoeType) -> dict:
    return {
        "url": reverse("example", args=[image.stored_sha256]),
        "type": row.slug,
        "name": row.name,
        "licence": image.licence,
        "title": image.title,
        # An import's page_url may be anything; only these become links.
        "page_url": image.page_url if image.page_url.startswith(WEB) else None,
        "similarity": round(similarity, DIGITS),
    }
