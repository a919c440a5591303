"""Idempotency-Key: what is sent twice is done once, and answered twice alike."""

import hashlib
import json
import logging
import re
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from shoeproject.api import clients, optional_cache
from shoeproject.errors import ProjectError

logger = logging.getLogger(__name__)
NOT_KEPT = "Idempotency-Key is not heeded, and what is sent twice is done twice"
VALID = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
KEPT_HEADERS = ("Location",)


class KeyInvalid(ProjectError):
    """The key is empty, too long, or not plain text."""

    code = "idempotency_key_invalid"
    message = "An Idempotency-Key has 1 to 255 letters, digits and signs; a random UUID is best."


class KeyReused(ProjectError):
    """The key came before, with another body."""

    code = "idempotency_key_reused"
    status = 422
    message = "This Idempotency-Key was sent with another body before; use a new key for it."


class KeyBusy(ProjectError):
    """The first request with this key is still being worked on."""

    code = "idempotency_key_busy"
    status = 409
    message = "The first request with this Idempotency-Key is not finished; try again in a second."


class _Replay(Exception):
    """Carries an answer that was given before."""

    def __init__(self, kept: dict):
        super().__init__(kept)
        self.kept = kept


@dataclass(frozen=True)
class _Held:
    """A key that this request is the first to use."""

    place: str
    body: str


class IdempotentMixin:
    """For a REST framework view that creates: heeds `Idempotency-Key` with POST.

    The key belongs to who sent it (token, account or address) and to the address it was sent to. A
    good answer is kept for `IDEMPOTENCY_HOURS` and given again, with `Idempotency-Replayed: true`.
    A refusal is not kept: the same request may be sent again, with the same key. Raises the three
    errors above.
    """

    _held = None

    def initial(self, request, *args, **kwargs):
        """After the checks of who asks and how often: see whether this was asked before."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            self._held = _begin(request, request.headers["Idempotency-Key"].strip())

    def handle_exception(self, exc):
        """An answer that was kept is given; after an error the key is free again."""
        if isinstance(exc, _Replay):
            headers = {**exc.kept["headers"], "Idempotency-Replayed": "true"}
            return Response(json.loads(exc.kept["data"]), exc.kept["status"], headers=headers)
        self._let_go()
        return super().handle_exception(exc)

    def finalize_response(self, request, response, *args, **kwargs):
        """Keep a good answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if self._held and 200 <= response.status_code < 300:
            held, self._held = self._held, None
            headers = {name: response[name] for name in KEPT_HEADERS if name in response}
            kept = {
                "body": held.body,
                "status": response.status_code,
                "data": JSONRenderer().render(response.data).decode() or "null",
                "headers": headers,
            }
            _write(held.place, kept)
        self._let_go()
        return response

    def _let_go(self) -> None:
        if self._held:
            held, self._held = self._held, None
            _write(held.place, None)


def _begin(request, key: str) -> _Held | None:
    """Take the key; None where the cache is down. Raises `_Replay` where there is an answer."""
    if not VALID.fullmatch(key):
        raise KeyInvalid
    told = "\n".join([clients.name(request), request.path, key])
    place = f"idempotency:{hashlib.sha256(told.encode()).hexdigest()}"
    held = _Held(place, _fingerprint(request))
    try:
        with optional_cache.cache_needed(NOT_KEPT):
            # The one step that only one of several can do.
            if cache.add(place, {"body": held.body}, settings.IDEMPOTENCY_BUSY_SECONDS):
                return held
            kept = cache.get(place)
    except optional_cache.CacheDown:
        return None
    if kept is None:  # it was let go just now
        raise KeyBusy
    if kept["body"] != held.body:
        raise KeyReused
    if "status" not in kept:
        raise KeyBusy
    raise _Replay(kept)


def _fingerprint(request) -> str:
    """SHA-256 of what a body says: its fields in any order, its files by their bytes.

    Not of the body's own bytes: a form that is sent again has other boundaries.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise RequestDataTooBig
    data = request.data
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    if not hasattr(data, "lists"):
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    digest = hashlib.sha256()
    for name, values in sorted(data.lists()):
        for value in values:
            digest.update(json.dumps([name, _said(value)]).encode())
    return digest.hexdigest()


def _said(value) -> str:
    if not hasattr(value, "chunks"):
        return value
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return f"file:{digest.hexdigest()}"


def _write(place: str, kept: dict | None) -> None:
    try:
        with optional_cache.cache_needed(NOT_KEPT):
            if kept is None:
                cache.delete(place)
            else:
                cache.set(place, kept, settings.IDEMPOTENCY_HOURS * 3600)
    except optional_cache.CacheDown:
        logger.debug("%s was not written", place)
