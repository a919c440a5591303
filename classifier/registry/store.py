"""Versions of the model: kept in the models storage, cached on local disk, held in memory."""

import ctypes
import hashlib
import logging
import math
import os
import re
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages

from classifier.errors import (
    BrokenVersion,
    DeviceUnusable,
    ModelBusy,
    ModelUnknown,
    ModelUnloadable,
    NoActiveModel,
)
from classifier.inference.classify import CARD, CPU, Model, providers
from classifier.inference.dynamic_batching import Batcher
from classifier.models import ModelVersion, PretrainedEmbedder
from classifier.registry import prediction_limit

logger = logging.getLogger(__name__)
# Seconds before a version that could not be loaded is tried again: its storage may be back.
RETRY_SECONDS = 30
FIRST_SECONDS = 30  # for which a request waits for the first version that a process loads
NUMBER, DIGEST = re.compile("[0-9]{1,7}"), re.compile("[0-9a-f]{1,64}")
FEWEST_DIGITS = 12  # of a digest, where strangers name a version


@dataclass(frozen=True)
class Served:
    """The version that answers, and its network in memory."""

    version: ModelVersion
    model: Model


def put(folder: Path, card: dict, kind: type = ModelVersion) -> str:
    """Store the files of an exported version or embedder; returns its digest.

    The card goes last: a version without a card is no version.
    """
    digest = hashlib.sha256((folder / CARD).read_bytes()).hexdigest()
    for name in [*card["files"], CARD]:
        with open(folder / name, "rb") as file:
            storages["models"].save(kind(digest=digest).file_name(name), File(file))
    return digest


def fetch(version: ModelVersion | PretrainedEmbedder) -> Path:
    """The version's or embedder's folder on local disk, downloaded when it is not there yet.

    Raises `BrokenVersion` where a file is missing from the storage or is not what the card says.
    """
    folder = settings.CACHE_DIR / version.file_name(CARD).removesuffix(f"/{CARD}")
    if (folder / CARD).exists():
        return folder
    beside = folder.with_name(f"{version.digest}.{uuid.uuid4().hex[:8]}.part")
    try:
        _download(version, beside)
        os.rename(beside, folder)
    except OSError:
        # Another process was first, or the disk is full: only the former leaves the folder there.
        if not (folder / CARD).exists():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _download(version: ModelVersion | PretrainedEmbedder, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in [*version.card["files"], CARD]:
        expected = version.digest if name == CARD else version.card["files"][name]["sha256"]
        copy(version.file_name(name), folder / name, expected)


def copy(name: str, target: Path, sha256: str) -> None:
    """Copy one file out of the models storage, checked on the way; raises `BrokenVersion`."""
    digest = hashlib.sha256()
    try:
        with storages["models"].open(name) as source, open(target, "wb") as out:
            for chunk in source.chunks():
                digest.update(chunk)
                out.write(chunk)
    except FileNotFoundError as error:
        raise BrokenVersion(f"{name} is missing from the models storage") from error
    if digest.hexdigest() != sha256:
        raise BrokenVersion(f"{name} is not the file its card describes")


def load(version: ModelVersion, on: Sequence = (CPU,)) -> Model:
    """The version's network, checked against every sum and the reference logits on its card.

    `on`: see `inference.classify.providers`; what answers nobody stays on the CPU. A damaged local
    copy is thrown away and fetched once more. Raises `BrokenVersion`.
    """
    folder = fetch(version)
    try:
        return Model.load(folder, on)
    except BrokenVersion:
        shutil.rmtree(folder, ignore_errors=True)
        return Model.load(fetch(version), on)


def _serve(version: ModelVersion) -> Served:
    """The version as this process answers with it; on a GPU, several photos at a time.

    Raises `BrokenVersion`, `DeviceUnusable`.
    """
    model = load(version, providers(settings.PREDICT_DEVICE))
    if model.on_gpu:
        most = min(settings.PREDICT_BATCH, prediction_limit.at_a_time(on_gpu=True))
        batcher = Batcher(model.run, most, settings.PREDICT_BATCH_MS / 1000)
        model = replace(model, batched=batcher.run)
    return Served(version, model)


def verify(version: ModelVersion) -> None:
    """Load the version from the storage itself, whatever copies this machine holds.

    Raises `BrokenVersion`.
    """
    folder = settings.CACHE_DIR / "versions" / f"{version.digest}.{uuid.uuid4().hex[:8]}.check"
    try:
        _download(version, folder)
        Model.load(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_back() -> None:
    """Hand memory that was freed back to the system, where the C library is glibc.

    It keeps what a thread frees for that thread, and the next version is loaded by another one: 60
    versions one after the other, in 8 threads, made a process of 200 MiB one of 600 MiB.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class _Active:
    """What this process serves. Looks now and then whether another version became active."""

    def __init__(self):
        self._lock = threading.Lock()
        self._served = None
        self._failed, self._retry = None, 0.0
        self._looked = float("-inf")

    def get(self) -> Served | None:
        if self._served is None or self._is_due():
            # One thread looks and loads; the others go on with what is served. Where nothing is yet
            # they wait: to say that there is no version would be wrong.
            if self._lock.acquire(timeout=FIRST_SECONDS if self._served is None else 0):
                try:
                    if self._is_due():
                        self._look()
                finally:
                    self._lock.release()
        return self._served

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked >= settings.MODEL_POLL_SECONDS

    def _look(self) -> None:
        self._looked = time.monotonic()
        version = ModelVersion.objects.filter(active=True).first()
        if version is None:
            self._served = None
            return
        digest = version.digest
        if self._served and self._served.version.digest == digest:
            return
        if digest == self._failed and time.monotonic() < self._retry:
            return
        try:
            self._served = _serve(version)
            self._failed = None
            prediction_limit.fit(self._served.model.on_gpu)
            _give_back()
            logger.info("Serving %s", version)
        except (BrokenVersion, DeviceUnusable, OSError) as error:
            # Keep what works, and do not try again on every request.
            self._failed, self._retry = digest, time.monotonic() + RETRY_SECONDS
            logger.error("%s cannot be served, the version before it stays: %s", version, error)

    def forget(self) -> None:
        """Start anew, as a fresh process would."""
        self.__init__()


class _Pinned:
    """Versions besides the active one that were asked for by name: a few, and seldom another.

    Loading one takes a second and its memory, and whoever asks is a stranger: so one at a time, and
    once the places are taken one in MODEL_PINNED_SECONDS. Nobody waits for a load; who comes
    meanwhile is told when to come back.
    """

    def __init__(self):
        self._loading = threading.Lock()
        self._held = OrderedDict()  # digest → Served, least recently used first
        self._failed = {}  # digest → when it may be tried again
        self._next = 0.0

    def get(self, version: ModelVersion) -> Served:
        served = self._held.get(version.digest)
        if served is None:
            if not self._loading.acquire(blocking=False):
                raise ModelBusy(1)
            try:
                served = self._held.get(version.digest) or self._load(version)
            finally:
                self._loading.release()
        with suppress(KeyError):  # another thread may have let it go
            self._held.move_to_end(version.digest)
        return served

    def _load(self, version: ModelVersion) -> Served:
        now, full = time.monotonic(), len(self._held) >= settings.MODEL_PINNED_KEPT
        if settings.MODEL_PINNED_KEPT < 1 or now < self._failed.get(version.digest, 0.0):
            raise ModelUnloadable(version.short)
        if full and now < self._next:
            raise ModelBusy(math.ceil(self._next - now))
        self._next = now + settings.MODEL_PINNED_SECONDS
        try:
            served = _serve(version)
        except (BrokenVersion, DeviceUnusable, OSError) as error:
            self._failed[version.digest] = now + RETRY_SECONDS
            logger.error("%s was asked for and cannot be loaded: %s", version, error)
            raise ModelUnloadable(version.short) from error
        while len(self._held) >= settings.MODEL_PINNED_KEPT:
            self._held.popitem(last=False)
        self._held[version.digest] = served
        _give_back()
        return served


_active = _Active()
_pinned = _Pinned()


def named(ref: str) -> list[ModelVersion]:
    """Up to two versions that `ref` names: "active", a number, or the start of a digest."""
    if ref == "active":
        rows = ModelVersion.objects.filter(active=True)
    elif NUMBER.fullmatch(ref):
        rows = ModelVersion.objects.filter(pk=int(ref))
    elif DIGEST.fullmatch(ref):
        rows = ModelVersion.objects.filter(digest__startswith=ref)
    else:
        return []
    return list(rows[:2])


def find(ref: str) -> ModelVersion:
    """The version that a stranger names: as `named`, with FEWEST_DIGITS of a digest at least.

    Raises `ModelUnknown`, and `NoActiveModel` where there is none.
    """
    short = not NUMBER.fullmatch(ref) and len(ref) < FEWEST_DIGITS
    found = [] if short and ref != "active" else named(ref)
    if ref == "active" and not found:
        raise NoActiveModel()
    if len(found) != 1:
        raise ModelUnknown()
    return found[0]


def pinned(ref: str) -> Served:
    """The version that `ref` names, see `find`, loaded.

    Raises `ModelUnknown`, `NoActiveModel`, `ModelUnloadable`, and `ModelBusy` where others were
    loaded just now.
    """
    served = active()
    version = None if ref == "active" else find(ref)
    if served and version in (None, served.version):
        return served
    if version is None:
        raise NoActiveModel()
    return _pinned.get(version)


def active() -> Served | None:
    """The active version, loaded; None where there is none. Cheap enough for every request.

    A newly promoted version is followed within `MODEL_POLL_SECONDS`; one that fails its checks is
    reported in the log, and what was served before goes on.
    """
    return _active.get()


def forget() -> None:
    """Drop what this process holds."""
    _active.forget()
    _pinned.__init__()
