"""The photos in an HTTP request, for the pages and the API."""

import base64
import json
import re
import time

from django.conf import settings
from django.core.files.uploadhandler import MemoryFileUploadHandler

from classifier.errors import ClassifierError, LengthMissing, PhotoMissing, SeveralPhotos, TooBusy
from classifier.registry import prediction_limit
from curation.images import ImageTooLarge

FIELD = "image"
# Values that a request's JSON may have: a few keys and options besides the photos.
MAX_JSON_VALUES = 200
# How a body is read that is discarded.
DISCARD_BYTES = 64 * 1024  # at a time
DISCARD_SECONDS = 5
DATA_URL = re.compile(r"data:([^,]{0,200}),", re.IGNORECASE)
BLANK = re.compile(r"\s+")


class TooManyPhotos(ClassifierError):
    """More photos than one request may have."""

    count: int
    limit: int
    code = "images_too_many"
    status = 413
    message = "There are {count} photos in the request and {limit} are allowed; send fewer."


class BodyTooLarge(ClassifierError):
    """A request that may have several photos is longer than allowed; in units of 1024² bytes."""

    size: float
    limit: float
    code = "request_too_large"
    status = 413
    message = (
        "The request has {size:.1f} MB and {limit:.1f} MB are allowed; "
        "send fewer or smaller photos."
    )


class NotBase64(ClassifierError):
    """A photo in JSON is not a text in base64."""

    code = "image_not_base64"
    message = "A photo in JSON is a text in base64, or a data: address of one; send it like that."


class BadJson(ClassifierError):
    """A body is not the JSON that is expected."""

    why: str
    code = "request_malformed"
    message = "The request's JSON cannot be used: {why}; send it as the schema says."


class InMemoryUploadHandler(MemoryFileUploadHandler):
    """Keeps a form's files in memory, for a view that has checked the body's length itself."""

    def handle_raw_input(self, *args, **kwargs):
        # The parent does so only up to the size of one photo.
        self.activated = True


def check_length(request) -> None:
    """Refuse a body of one photo by its declared length, before any of it is read.

    Raises `ImageTooLarge`, or `LengthMissing`: Django reads nothing of a body without a length.
    """
    if (size := _declared(request)) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
        raise ImageTooLarge(size, settings.IMAGE_MAX_BYTES)


def check_body(request) -> None:
    """Refuse a body of several photos by its declared length.

    Raises `BodyTooLarge` or `LengthMissing`.
    """
    if (size := _declared(request)) > settings.PREDICT_MOST_BYTES:
        raise BodyTooLarge(size / 1024**2, settings.PREDICT_MOST_BYTES / 1024**2)


def check_capacity(request) -> None:
    """Refuse a body, before it is held in memory, if no prediction can start now: `TooBusy`.

    Its length has to be checked before. What the client still sends is read and discarded, for a
    few seconds: a client that is still sending when the server hangs up does not see the answer.
    """
    try:
        prediction_limit.limit.check_place()
    except TooBusy:
        until = time.monotonic() + DISCARD_SECONDS
        while request.read(DISCARD_BYTES) and time.monotonic() < until:
            pass
        raise


def read(request) -> bytes:
    """The one photo of a form. Raises `PhotoMissing` or `SeveralPhotos`."""
    files = request.FILES.getlist(FIELD)
    if not files:
        raise PhotoMissing()
    if len(files) > 1:
        raise SeveralPhotos(len(files))
    return files[0].read()


def check_number(photos: list) -> None:
    """Raises `PhotoMissing` or `TooManyPhotos`."""
    if not photos:
        raise PhotoMissing()
    if len(photos) > settings.PREDICT_MOST_PHOTOS:
        raise TooManyPhotos(len(photos), settings.PREDICT_MOST_PHOTOS)


def from_json(body: bytes) -> dict:
    """Parse a body that is a JSON object. Raises `BadJson`.

    Values are counted before parsing, as a megabyte of brackets would take a hundred in memory. A
    photo in base64 has no bracket, and a comma only after `data:…`.
    """
    if sum(map(body.count, (b"[", b"{", b","))) > MAX_JSON_VALUES:
        raise BadJson("it has too many values")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadJson("it is not valid") from error
    if not isinstance(value, dict):
        raise BadJson("it is no object")
    return value


def from_base64(text) -> bytes:
    """Decode a photo from base64 (of either alphabet, padded or not) or from a data: address.

    Raises `NotBase64`, and `ImageTooLarge` before anything is decoded.
    """
    if not isinstance(text, str):
        raise NotBase64()
    if address := DATA_URL.match(text):
        if not address[1].lower().endswith(";base64"):
            raise NotBase64()
        text = text[address.end() :]
    size = len(text) * 3 // 4
    if size > settings.IMAGE_MAX_BYTES * 1.1:  # it may include line breaks
        raise ImageTooLarge(size, settings.IMAGE_MAX_BYTES)
    text = BLANK.sub("", text).rstrip("=")
    altchars = "-_" if "-" in text or "_" in text else None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars, validate=True)
    except ValueError as error:
        raise NotBase64() from error


def _declared(request) -> int:
    """The body's length in bytes; 0 for none. Raises `LengthMissing`."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if not declared and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthMissing()
    return int(declared) if declared.isdecimal() else 0
