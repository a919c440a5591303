"""Refusing who asks too often: REST framework's throttle, and the same for the site's pages."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import SimpleRateThrottle

from shoeproject.api import client_address, clients, optional_cache, rates

NOT_COUNTED = "requests are not counted, and nobody is asked to wait"


class RateThrottle(SimpleRateThrottle):
    """The rate of a view's `throttle_scope`, else of reading or writing, for whoever asks.

    Rates are the setting `THROTTLE_RATES`: scope → ("60/min" for an address, "600/min" for a
    token or an account); an empty text for no limit.
    """

    def __init__(self):
        self.spent = None

    def allow_request(self, request, view) -> bool:
        """Count the request; False where it is one too many."""
        scope = getattr(view, "throttle_scope", None) or (
            "read" if request.method in SAFE_METHODS else "write"
        )
        self.spent = count(request, scope)
        return self.spent is None or self.spent.allowed

    def wait(self) -> int | None:
        """Seconds until another try is worth it."""
        return self.spent and self.spent.reset


def count(request, scope: str) -> rates.Spent | None:
    """Count a request; None where its scope has no limit, and where the cache is down."""
    by_address, by_account = settings.THROTTLE_RATES[scope]
    rate = by_account if clients.known(request) else by_address
    if not rate:
        return None
    limit, window = RateThrottle().parse_rate(rate)
    # The middleware sees Django's request, not REST framework's around it.
    plain = getattr(request, "_request", request)
    try:
        with optional_cache.cache_needed(NOT_COUNTED):
            plain.rate_spent = rates.spend(scope, clients.name(request), limit, window)
    except optional_cache.CacheDown:
        plain.rate_unknown = True
        return None
    return plain.rate_spent


def check(request, scope: str) -> None:
    """Count a request of a page, which is no REST framework view; raises its `Throttled`."""
    spent = count(request, scope)
    if spent and not spent.allowed:
        raise Throttled(wait=spent.reset)


def rate_headers(get_response):
    """Middleware: tell with every counted answer what is left of the rate.

    In the form of draft-ietf-httpapi-ratelimit-headers-10, and the three fields of its earlier
    versions, which more clients know. Where the cache is down, a field says that nobody counted.
    Settings that make no sense stop the site here, at its start, and not at every request.
    """
    _check_settings()

    def answer(request):
        response = get_response(request)
        if getattr(request, "rate_unknown", False):
            response["X-RateLimit-Status"] = "not counted"
        spent = getattr(request, "rate_spent", None)
        if spent:
            response["RateLimit-Policy"] = f'"{spent.name}";q={spent.limit};w={spent.window}'
            response["RateLimit"] = f'"{spent.name}";r={spent.remaining};t={spent.reset}'
            response["RateLimit-Limit"] = str(spent.limit)
            response["RateLimit-Remaining"] = str(spent.remaining)
            response["RateLimit-Reset"] = str(spent.reset)
        return response

    return answer


def _check_settings() -> None:
    try:
        client_address.trusted_proxies()
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error
    for scope, both in settings.THROTTLE_RATES.items():
        for rate in filter(None, both):
            try:
                RateThrottle().parse_rate(rate)
            except (ValueError, LookupError) as error:
                said = f"THROTTLE_{scope.upper()}: {rate!r} is no rate such as 60/min."
                raise ImproperlyConfigured(said) from error
