"""Idempotency-Key: a request that is sent twice is done once, and gets the same answer twice."""

import hashlib
import json
import re
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from shoeproject.api import optional_cache
from shoeproject.api.clients import client_key
from shoeproject.errors import ProjectError

IGNORED = "Idempotency-Key is not heeded, and what is sent twice is done twice"
VALID_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
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
    """Carries an earlier answer, its only argument, to where the view handles exceptions."""


@dataclass(frozen=True)
class _Claim:
    """A key that this request is the first to use: its place in the cache, the body's digest."""

    cache_key: str
    body: str


class IdempotentMixin:
    """For a REST framework view that creates: heeds `Idempotency-Key` with POST.

    The key belongs to who sent it (token, account or address) and to the address it was sent to. A
    good answer is kept for `IDEMPOTENCY_HOURS` and given again, with `Idempotency-Replayed: true`.
    A refusal is not kept: the same request may be sent again, with the same key. Raises the three
    errors above.
    """

    problems = {"POST": [KeyBusy(), KeyReused()]}
    _claim = None

    def initial(self, request, *args, **kwargs):
        # After the checks of who asks and how often.
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            self._claim = _claim_key(request, request.headers["Idempotency-Key"].strip())

    def handle_exception(self, exc):
        if isinstance(exc, _Replay):
            (answer,) = exc.args
            headers = {**answer["headers"], "Idempotency-Replayed": "true"}
            return Response(json.loads(answer["data"]), answer["status"], headers=headers)
        self._settle(None)
        return super().handle_exception(exc)

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        self._settle(response if 200 <= response.status_code < 300 else None)
        return response

    def _settle(self, response: Response | None) -> None:
        """Keep a good answer for the claimed key, if there is one; else free the key."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        if response is None:
            optional_cache.call_or_default(lambda: cache.delete(claim.cache_key), IGNORED)
            return
        answer = {
            "body": claim.body,
            "status": response.status_code,
            "data": JSONRenderer().render(response.data).decode() or "null",
            "headers": {name: response[name] for name in KEPT_HEADERS if name in response},
        }
        seconds = settings.IDEMPOTENCY_HOURS * 3600
        optional_cache.call_or_default(lambda: cache.set(claim.cache_key, answer, seconds), IGNORED)


def _claim_key(request, key: str) -> _Claim | None:
    """Claim the key; None if the cache is down. Raises `_Replay` if there is an answer."""
    if not VALID_KEY.fullmatch(key):
        raise KeyInvalid
    owner = "\n".join([client_key(request), request.path, key])
    cache_key = f"idempotency:{hashlib.sha256(owner.encode()).hexdigest()}"
    claim = _Claim(cache_key, _fingerprint(request))

    def add_or_get() -> _Claim | dict:
        # `add` succeeds for only one of several requests at the same time.
        if cache.add(cache_key, {"body": claim.body}, settings.IDEMPOTENCY_BUSY_SECONDS):
            return claim
        return cache.get(cache_key) or {}  # empty if the key was freed just now

    earlier = optional_cache.call_or_default(add_or_get, IGNORED)
    if earlier is None or earlier is claim:
        return earlier
    if earlier.get("body", claim.body) != claim.body:
        raise KeyReused
    if "status" not in earlier:
        raise KeyBusy
    raise _Replay(earlier)


def _fingerprint(request) -> str:
    """SHA-256 of a body's content: its fields in any order, its files by their bytes.

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
            text = _file_digest(value) if hasattr(value, "chunks") else value
            digest.update(json.dumps([name, text]).encode())
    return digest.hexdigest()


def _file_digest(file) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return f"file:{digest}"
