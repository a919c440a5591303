"""The versions that this process answers with: the active one, and a few others by name."""

import ctypes
import logging
import math
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from django.conf import settings

from classifier.errors import (
    BrokenVersion,
    DeviceUnusable,
    ModelBusy,
    ModelUnloadable,
    NoActiveModel,
)
from classifier.inference.dynamic_batching import Batcher
from classifier.inference.model import Model
from classifier.inference.onnx_session import providers
from classifier.models import ModelVersion
from classifier.registry import lookup, prediction_limit, stored

logger = logging.getLogger(__name__)
# Seconds before a version that could not be loaded is tried again: its storage may be back.
RETRY_SECONDS = 30
FIRST_SECONDS = 30  # for which a request waits for the first version that a process loads


@dataclass(frozen=True)
class Served:
    """A version and its network in memory."""

    version: ModelVersion
    model: Model


def _load(version: ModelVersion) -> Served:
    """The version on the device of the settings; on a GPU, several photos in one batch.

    Raises `BrokenVersion`, `DeviceUnusable`.
    """
    on = providers(settings.PREDICT_DEVICE)
    model = stored.load(version, partial(Model.load, on=on))
    if model.on_gpu:
        most = min(settings.PREDICT_BATCH, prediction_limit.concurrency(on_gpu=True))
        batcher = Batcher(model.run, most, settings.PREDICT_BATCH_MS / 1000)
        model = replace(model, batched=batcher.run)
    return Served(version, model)


def _trim_memory() -> None:
    """Return freed memory to the system, where the C library is glibc.

    glibc keeps what a thread frees for that thread, and the next version is loaded by another one:
    loading 60 versions in 8 threads let a process grow from 200 MiB to 600 MiB.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class _Active:
    """The active version. Polls the database for another one every MODEL_POLL_SECONDS."""

    def __init__(self):
        self._lock = threading.Lock()
        self._served = None
        self._failed, self._retry = None, 0.0
        self._polled = float("-inf")

    def get(self) -> Served | None:
        # One thread polls and loads; the others go on with what is served. Where nothing is served
        # yet they wait: an answer that there is no version would be wrong.
        wait = FIRST_SECONDS if self._served is None else 0
        if (wait or self._is_due()) and self._lock.acquire(timeout=wait):
            try:
                if self._is_due():
                    self._poll()
            finally:
                self._lock.release()
        return self._served

    def _is_due(self) -> bool:
        return time.monotonic() - self._polled >= settings.MODEL_POLL_SECONDS

    def _poll(self) -> None:
        self._polled = time.monotonic()
        version = ModelVersion.objects.filter(active=True).first()
        if version is None:
            self._served = None
            return
        failed_lately = version.digest == self._failed and time.monotonic() < self._retry
        if failed_lately or (self._served and self._served.version.digest == version.digest):
            return
        try:
            self._served = _load(version)
            self._failed = None
            prediction_limit.resize(self._served.model.on_gpu)
            _trim_memory()
            logger.info("Serving %s", version)
        except (BrokenVersion, DeviceUnusable, OSError) as error:
            # Keep what works, and do not try again on every request.
            self._failed, self._retry = version.digest, time.monotonic() + RETRY_SECONDS
            logger.error("%s cannot be served, the version before it stays: %s", version, error)


class _Pinned:
    """Versions besides the active one, requested by name; MODEL_PINNED_KEPT of them stay in memory.

    Loading one takes a second and its memory, and anybody may request it: so one at a time is
    loaded, and once all places are taken one in MODEL_PINNED_SECONDS. No request waits for a load;
    others are refused meanwhile with the seconds after which to retry.
    """

    def __init__(self):
        self._loading = threading.Lock()
        # By digest, least recently used first.
        self._held: OrderedDict[str, Served] = OrderedDict()
        self._retry: dict[str, float] = {}  # digest of one that failed → when to try it again
        self._next_load = 0.0

    def get(self, version: ModelVersion) -> Served:
        served = self._held.get(version.digest)
        if served is None:
            if not self._loading.acquire(blocking=False):
                raise ModelBusy(1)
            try:
                served = self._held.get(version.digest) or self._load_and_keep(version)
            finally:
                self._loading.release()
        with suppress(KeyError):  # another thread may have dropped it
            self._held.move_to_end(version.digest)
        return served

    def _load_and_keep(self, version: ModelVersion) -> Served:
        now, full = time.monotonic(), len(self._held) >= settings.MODEL_PINNED_KEPT
        if settings.MODEL_PINNED_KEPT < 1 or now < self._retry.get(version.digest, 0.0):
            raise ModelUnloadable(version.short)
        if full and now < self._next_load:
            raise ModelBusy(math.ceil(self._next_load - now))
        self._next_load = now + settings.MODEL_PINNED_SECONDS
        try:
            served = _load(version)
        except (BrokenVersion, DeviceUnusable, OSError) as error:
            self._retry[version.digest] = now + RETRY_SECONDS
            logger.error("%s was requested and cannot be loaded: %s", version, error)
            raise ModelUnloadable(version.short) from error
        while len(self._held) >= settings.MODEL_PINNED_KEPT:
            self._held.popitem(last=False)
        self._held[version.digest] = served
        _trim_memory()
        return served


_active = _Active()
_pinned = _Pinned()


def pinned(ref: str) -> Served:
    """The version that `ref` names, see `lookup.find_public`, loaded.

    Raises `ModelUnknown`, `NoActiveModel`, `ModelUnloadable`, and `ModelBusy` where others were
    loaded just now.
    """
    served = active()
    version = None if ref == "active" else lookup.find_public(ref)
    if served and version in (None, served.version):
        return served
    if version is None:
        raise NoActiveModel()
    return _pinned.get(version)


def active() -> Served | None:
    """The active version, loaded; None where there is none. Cheap enough for every request.

    A newly promoted version is followed within `MODEL_POLL_SECONDS`. One that fails its checks is
    logged, and the version before it stays.
    """
    return _active.get()


def forget() -> None:
    """Drop every version in memory, as in a fresh process."""
    _active.__init__()
    _pinned.__init__()
