"""The photographs that explanations link to; plain Django views, as they answer no JSON."""

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from classifier.answers import public_images
from curation import thumbnails


@require_safe
def example(request, digest):
    """`GET /examples/<SHA-256 of the stored file>.jpg`: a small confirmed photograph.

    Every request checks whether it may still be shown, before a 304 too; caches keep it for as long
    as a purge may take to show.
    """
    image = public_images.find(digest)
    if image is None:
        raise Http404
    etag = quote_etag(digest)
    response = get_conditional_response(request, etag=etag)
    if response is None:
        try:
            response = HttpResponse(thumbnails.thumbnail(image), "image/jpeg")
        except FileNotFoundError as error:
            raise Http404 from error
    response["ETag"] = etag
    patch_cache_control(response, public=True, max_age=settings.EXPLAIN_CACHE_SECONDS)
    return response
