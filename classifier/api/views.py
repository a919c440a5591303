"""Base views of the public API."""

from django.utils.cache import get_conditional_response, patch_cache_control, set_response_etag
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from classifier.access.authentication import TokenAuthentication

# The guide changes when a curator or a promotion changes it, which may show a minute later.
CACHE_SECONDS = 60


class PublicView(APIView):
    """Open to everybody. No session is read, so there is nothing for CSRF to protect."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [AllowAny]
    scope = "guide"


class CacheableView(PublicView):
    """A read-only view whose answers any cache may keep for a minute and revalidate by ETag."""

    def finalize_response(self, request, response, *args, **kwargs):
        response = super().finalize_response(request, response, *args, **kwargs)
        if response.status_code != 200 or request.method == "OPTIONS":
            return response
        patch_cache_control(response, public=True, max_age=CACHE_SECONDS)
        set_response_etag(response.render())
        return get_conditional_response(request, etag=response["ETag"], response=response)
