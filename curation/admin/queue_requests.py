"""Checks of the JSON that the queue's script sends."""

import json
import uuid

from django.conf import settings

from curation.errors import CurationError

MOST_KEYS = 1000  # in one request that only renews or releases claims


class QueueRequestRefused(CurationError):
    """The script's request is malformed, or its person may not make it."""

    what: str
    status: int = 400
    code: str = "bad_request"
    message = "{what}"


def json_body(request) -> dict:
    """Return the JSON object in the request's body."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:  # also bytes that are no UTF-8
        raise QueueRequestRefused("Send one JSON object.") from error
    if not isinstance(body, dict):
        raise QueueRequestRefused("Send one JSON object.")
    return body


def seen_decisions(images) -> dict[int, int]:
    """Return image → the newest decision its reader knew, 0 for none, of [{"id", "seen"}, …]."""
    most = settings.QUEUE_DECIDE_MOST
    if not isinstance(images, list) or not images:
        raise QueueRequestRefused("Name the images to decide on.")
    if len(images) > most:
        raise QueueRequestRefused(f"Decide on at most {most} images at a time.", code="too_many")
    try:
        return {_key(image["id"]): _key(image.get("seen") or 0) for image in images}
    except (TypeError, KeyError, AttributeError) as error:
        raise QueueRequestRefused("Each image needs its id and what was seen.") from error


def primary_keys(images) -> list[int]:
    """Return a list of primary keys, checked."""
    if not isinstance(images, list) or len(images) > MOST_KEYS:
        raise QueueRequestRefused(f"Send a list of at most {MOST_KEYS} keys.")
    return [_key(image) for image in images]


def batch_id(text) -> uuid.UUID:
    """Return the id of a step to undo."""
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise QueueRequestRefused("Name the step to take back.") from error


def _key(number) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise QueueRequestRefused("A key is a whole number.")
    return number
