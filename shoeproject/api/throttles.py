"""Limit how often a client sends requests: a throttle for REST framework, the same for pages."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import SimpleRateThrottle

from shoeproject.api import client_address, optional_cache, rates
from shoeproject.api.clients import authenticated_client, client_key


class RateThrottle(SimpleRateThrottle):
    """Applies the rate of a view's `throttle_scope`; without one, that of "read" or "write".

    Rates are the setting `THROTTLE_RATES`: scope → ("60/min" for an address, "600/min" for a
    token or an account); an empty text for no limit.
    """

    usage = None

    def __init__(self):  # the parent's reads rates from REST framework's settings
        pass

    def allow_request(self, request, view) -> bool:
        scope = getattr(view, "throttle_scope", None) or (
            "read" if request.method in SAFE_METHODS else "write"
        )
        self.usage = count(request, scope)
        return self.usage is None or self.usage.allowed

    def wait(self) -> int | None:
        return self.usage and self.usage.reset


def count(request, scope: str) -> rates.Usage | None:
    """Count a request; None if its scope has no limit or the cache is down."""
    by_address, by_account = settings.THROTTLE_RATES[scope]
    rate = by_account if authenticated_client(request) else by_address
    if not rate:
        return None
    limit, window = RateThrottle().parse_rate(rate)
    usage = optional_cache.call_or_default(
        lambda: rates.hit(scope, client_key(request), limit, window),
        consequence="requests are not counted, and nobody is asked to wait",
    )
    # The middleware sees Django's request, not REST framework's around it.
    django_request = getattr(request, "_request", request)
    django_request.rate_usage = usage
    return usage


def check(request, scope: str) -> None:
    """Count a request of a page, which is no REST framework view; raises `Throttled`."""
    usage = count(request, scope)
    if usage and not usage.allowed:
        raise Throttled(wait=usage.reset)


def rate_headers(get_response):
    """Middleware: add what is left of the rate to the headers of a counted request's response.

    In the form of draft-ietf-httpapi-ratelimit-headers-10, and in the three headers of its earlier
    versions, which more clients know. If the cache is down, a header says that nothing was counted.
    Invalid settings stop the site here, at its start, and not at every request.
    """
    _check_settings()

    def middleware(request):
        response = get_response(request)
        if not hasattr(request, "rate_usage"):
            return response
        if usage := request.rate_usage:
            response["RateLimit-Policy"] = f'"{usage.name}";q={usage.limit};w={usage.window}'
            response["RateLimit"] = f'"{usage.name}";r={usage.remaining};t={usage.reset}'
            response["RateLimit-Limit"] = str(usage.limit)
            response["RateLimit-Remaining"] = str(usage.remaining)
            response["RateLimit-Reset"] = str(usage.reset)
        else:
            response["X-RateLimit-Status"] = "not counted"
        return response

    return middleware


def _check_settings() -> None:
    try:
        client_address.trusted_proxies(tuple(settings.TRUSTED_PROXIES))
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error
    for scope, scope_rates in settings.THROTTLE_RATES.items():
        for rate in filter(None, scope_rates):
            try:
                RateThrottle().parse_rate(rate)
            except (ValueError, LookupError) as error:
                message = f"THROTTLE_{scope.upper()}: {rate!r} is no rate such as 60/min."
                raise ImproperlyConfigured(message) from error
