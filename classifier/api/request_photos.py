"""The photos in an HTTP request, for the page and the API alike."""

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
# Values that the JSON of a request may have: a few keys and options besides the photos.
MOST_VALUES = 200
PART = 64 * 1024  # bytes in memory of a body that is thrown away
HEARD_SECONDS = 5  # for which one is read
DATA_URL = re.compile(r"data:([^,]{0,200}),", re.IGNORECASE)
BLANK = re.compile(r"\s+")


class TooManyPhotos(ClassifierError):
    """More photos than one request may bring."""

    count: int
    limit: int
    code = "images_too_many"
    status = 413
    message = "There are {count} photos in the request and {limit} are allowed; send fewer."


class BodyTooLarge(ClassifierError):
    """A request that may bring several photos is longer than allowed, in bytes."""

    size: int
    limit: int
    code = "request_too_large"
    status = 413
    message = (
        "The request has {megabytes[0]:.1f} MB and {megabytes[1]:.1f} MB are allowed; "
        "send fewer or smaller photos."
    )

    @property
    def megabytes(self) -> tuple[float, float]:
        """Size and limit in units of 1024² bytes."""
        return self.size / 1024**2, self.limit / 1024**2


class NotBase64(ClassifierError):
    """A photo in JSON is no text, or not in base64."""

    code = "image_not_base64"
    message = "A photo in JSON is a text in base64, or a data: address of one; send it like that."


class BadJson(ClassifierError):
    """A body is not the JSON that is asked for."""

    why: str
    code = "request_malformed"
    message = "The request's JSON cannot be used: {why}; send it as the schema says."


class AllInMemory(MemoryFileUploadHandler):
    """Keeps a form's files in memory, for a view that has checked the body's length itself."""

    def handle_raw_input(self, *args, **kwargs):
        """Whatever the length: for this class's parent, one photo is the most."""
        self.activated = True


def check_length(request) -> None:
    """Refuse one photo's body by its declared length, before any of it is read.

    Raises `ImageTooLarge`, or `LengthMissing`: Django reads nothing of a body without a length.
    """
    if _declared(request) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
        raise ImageTooLarge(_declared(request), settings.IMAGE_MAX_BYTES)


def check_body(request) -> None:
    """The same for a body that may hold several. Raises `BodyTooLarge` or `LengthMissing`."""
    if _declared(request) > settings.PREDICT_MOST_BYTES:
        raise BodyTooLarge(_declared(request), settings.PREDICT_MOST_BYTES)


def check_place(request) -> None:
    """Refuse a body before it is held in memory where nobody could look at it now: `TooBusy`.

    For after its length was checked. What the client is sending is read and thrown away, for a few
    seconds: a server that answers and hangs up while somebody still sends is not heard.
    """
    try:
        prediction_limit.check_place()
    except TooBusy:
        until = time.monotonic() + HEARD_SECONDS
        while request.read(PART) and time.monotonic() < until:
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
    """The object that a body is. Raises `BadJson`.

    Values are counted before anything is read: a megabyte of brackets would take a hundred in
    memory. No photo in base64 has a bracket or a comma, but for the one after `data:…`.
    """
    if sum(map(body.count, (b"[", b"{", b","))) > MOST_VALUES:
        raise BadJson("it has too many values")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadJson("it is not valid") from error
    if not isinstance(found, dict):
        raise BadJson("it is no object")
    return found


def from_base64(text) -> bytes:
    """The photo in a text: base64 (of either alphabet, padded or not), or a data: address of it.

    Raises `NotBase64`, and `ImageTooLarge` before anything is decoded.
    """
    if not isinstance(text, str):
        raise NotBase64()
    if address := DATA_URL.match(text):
        if not address[1].lower().endswith(";base64"):
            raise NotBase64()
        text = text[address.end() :]
    size = len(text) * 3 // 4
    if size > settings.IMAGE_MAX_BYTES * 1.1:  # lines and their ends may be a part of it
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
