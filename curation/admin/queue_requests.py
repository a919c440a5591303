"""What the queue's script sends, checked before anything is done with it."""

import json
import uuid

from django.conf import settings

from curation.errors import CurationError

MOST_KEYS = 1000  # in one request that only renews or gives back claims


class Asked(CurationError):
    """A script asked for something that makes no sense, or that its person may not have."""

    what: str
    status: int = 400
    code: str = "bad_request"
    message = "{what}"


def body(request) -> dict:
    """The JSON object that was sent."""
    try:
        sent = json.loads(request.body or b"{}")
    except ValueError as error:  # bytes that are no UTF-8 as well
        raise Asked("Send one JSON object.") from error
    if not isinstance(sent, dict):
        raise Asked("Send one JSON object.")
    return sent


def seen(images) -> dict[int, int]:
    """[{"id", "seen"}, …] → image → the newest decision its reader knew, 0 for none."""
    most = settings.QUEUE_DECIDE_MOST
    if not isinstance(images, list) or not images:
        raise Asked("Name the images to decide on.")
    if len(images) > most:
        raise Asked(f"Decide on at most {most} images at a time.", code="too_many")
    try:
        return {_key(image["id"]): _key(image.get("seen") or 0) for image in images}
    except (TypeError, KeyError, AttributeError) as error:
        raise Asked("Each image needs its id and what was seen.") from error


def keys(images) -> list[int]:
    """Primary keys as a list."""
    if not isinstance(images, list) or len(images) > MOST_KEYS:
        raise Asked(f"Send a list of at most {MOST_KEYS} keys.")
    return [_key(image) for image in images]


def batch(text) -> uuid.UUID:
    """The name of a step."""
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise Asked("Name the step to take back.") from error


def _key(number) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise Asked("A key is a whole number.")
    return number
