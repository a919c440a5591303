"""What a request may bring: a form, JSON, or a photo as it is. All in memory, all within limits."""

from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from classifier.api import request_photos


class LengthFirst:
    """For a view with a body: refuses it by its declared length, before any of it is read."""

    def initial(self, request, *args, **kwargs):
        """The length before anything else."""
        request_photos.check_body(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request, response, *args, **kwargs):
        """Let go of what came. REST framework's request, view and response refer to each other, so
        they stay in memory until Python next looks for such circles, and a photo would with them.
        """
        response = super().finalize_response(request, response, *args, **kwargs)
        request._full_data = request._data = None
        return response


class PlaceFirst(LengthFirst):
    """For a view that predicts: says that there is no place before it holds a photo in memory."""

    def initial(self, request, *args, **kwargs):
        """The place, after all that can be told without the body."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            request_photos.check_place(_plain(request))


class Form(MultiPartParser):
    """multipart/form-data, with files in memory up to what the whole body may have."""

    def parse(self, stream, media_type=None, parser_context=None):
        """Fields and files. Raises `ParseError`, or what Django refuses a form for."""
        plain = _plain(parser_context["request"])
        plain.upload_handlers = [request_photos.AllInMemory(plain)]
        return super().parse(stream, media_type, parser_context)


class Json(BaseParser):
    """application/json, an object with few values.

    Not REST framework's own: for that, Django's request would keep the body, too.
    """

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        """The object. Raises `BadJson`."""
        return request_photos.from_json(stream.read())


class RawPhoto(BaseParser):
    """A body that is the photo itself: image/jpeg and the like."""

    media_type = "image/*"

    def parse(self, stream, media_type=None, parser_context=None):
        """The bytes. Raises `ImageTooLarge` for more than one photo may have."""
        request_photos.check_length(_plain(parser_context["request"]))
        return stream.read()


class RawBytes(RawPhoto):
    """The same from a client that does not say what it is."""

    media_type = "application/octet-stream"


def photos(request: Request) -> tuple[list, bool]:
    """The photos of a request, and whether they were sent as several, which a form with two is.

    Each is bytes, a file, or whatever JSON had in its place: `content` tells. Raises `PhotoMissing`
    and `TooManyPhotos`.
    """
    data = request.data
    if isinstance(data, bytes):
        found, several = [data], False
    elif request.FILES:
        found = request.FILES.getlist(request_photos.FIELD)
        several = len(found) > 1
    elif "images" in data and not hasattr(data, "lists"):
        found, several = data["images"], True
        if not isinstance(found, list) or request_photos.FIELD in data:
            raise request_photos.BadJson("it has either 'image', or 'images', which is a list")
    else:
        # A form's text is no photo.
        sent = not hasattr(data, "lists") and request_photos.FIELD in data
        found, several = [data[request_photos.FIELD]] if sent else [], False
    request_photos.check_number(found)
    return found, several


def content(sent) -> bytes:
    """The bytes of one of `photos`. Raises `NotBase64` and `ImageTooLarge`."""
    if isinstance(sent, bytes):
        return sent
    return sent.read() if hasattr(sent, "chunks") else request_photos.from_base64(sent)


def _plain(request):
    """Django's request inside REST framework's."""
    return getattr(request, "_request", request)
