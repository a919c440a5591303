"""The photo in an HTTP request, for the page and the API alike."""

from django.conf import settings

from classifier.errors import LengthMissing, PhotoMissing, SeveralPhotos
from curation.images import ImageTooLarge

FIELD = "image"


def check_length(request) -> None:
    """Refuse a body by its declared length, before any of it is read.

    Raises `ImageTooLarge`, or `LengthMissing`: Django reads nothing of a body without a length.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if not declared and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthMissing()
    if declared.isdecimal() and int(declared) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
        raise ImageTooLarge(int(declared), settings.IMAGE_MAX_BYTES)


def read(request) -> bytes:
    """The one photo of a form. Raises `PhotoMissing` or `SeveralPhotos`."""
    files = request.FILES.getlist(FIELD)
    if not files:
        raise PhotoMissing()
    if len(files) > 1:
        raise SeveralPhotos(len(files))
    return files[0].read()
