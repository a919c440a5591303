"""Parsers of bodies with photos: forms, JSON, and a photo as it is; in memory, within limits."""

from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from classifier.api import request_photos


class BodyLengthMixin:
    """For a view with a body: refuses it by its declared length before reading any of it."""

    def initial(self, request, *args, **kwargs):
        request_photos.check_body(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        # REST framework's request, view and response refer to each other, so they stay in memory
        # until Python's next garbage collection, and a photo would stay with them.
        request._full_data = request._data = None
        return response


class CapacityMixin(BodyLengthMixin):
    """For a view that predicts: refuses a photo while too busy, before holding it in memory."""

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            request_photos.check_capacity(request._request)


class FormParser(MultiPartParser):
    """multipart/form-data, with files in memory up to the limit of the whole body."""

    def parse(self, stream, media_type=None, parser_context=None):
        request = parser_context["request"]._request
        request.upload_handlers = [request_photos.InMemoryUploadHandler(request)]
        return super().parse(stream, media_type, parser_context)


class JsonParser(BaseParser):
    """application/json, an object with few values; raises `BadJson`.

    With REST framework's own parser, Django's request would keep the body, too.
    """

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        return request_photos.from_json(stream.read())


class PhotoParser(BaseParser):
    """A body that is the photo itself, such as image/jpeg; raises `ImageTooLarge`."""

    media_type = "image/*"

    def parse(self, stream, media_type=None, parser_context=None):
        request_photos.check_length(parser_context["request"])
        return stream.read()


class OctetStreamParser(PhotoParser):
    """A photo from a client that does not name its type."""

    media_type = "application/octet-stream"


def get_photos(request: Request) -> tuple[list, bool]:
    """The photos of a request, and whether the answer is a list.

    A photo is bytes, a file, or any value of JSON: see `photo_bytes`. Raises `PhotoMissing`,
    `TooManyPhotos` and `BadJson`.
    """
    data = request.data
    if isinstance(data, bytes):
        photos, several = [data], False
    elif hasattr(data, "lists"):  # a form, in which only a file is a photo
        photos = request.FILES.getlist(request_photos.FIELD)
        several = len(photos) > 1
    elif "images" in data:
        photos, several = data["images"], True
        if not isinstance(photos, list) or request_photos.FIELD in data:
            raise request_photos.BadJson("it has either 'image', or 'images', which is a list")
    else:
        photos = [data[request_photos.FIELD]] if request_photos.FIELD in data else []
        several = False
    request_photos.check_number(photos)
    return photos, several


def photo_bytes(photo) -> bytes:
    """The bytes of one of `get_photos`. Raises `NotBase64` and `ImageTooLarge`."""
    if isinstance(photo, bytes):
        return photo
    return photo.read() if hasattr(photo, "chunks") else request_photos.from_base64(photo)
