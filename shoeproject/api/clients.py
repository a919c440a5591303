"""Who asks, as one short text to count and remember by."""

from django.utils.crypto import salted_hmac

from shoeproject.api.client_address import client_address, counted_as


def known(request) -> str:
    """`token:…` or `user:…` of a request that says who asks; else an empty text.

    A token is what an authentication class leaves as `request.auth` with a `client` of its own.
    """
    token = getattr(getattr(request, "auth", None), "client", "")
    if token:
        return token
    # A Django request has a user too: its session's. Public pages do not look at it.
    user = getattr(request, "user", None) if hasattr(request, "authenticators") else None
    return f"user:{user.pk}" if user is not None and user.is_authenticated else ""


def name(request) -> str:
    """The token, else the account, else the address: under a digest that only this site can make,
    for the cache may write to a disk, and visitors' addresses are not kept."""
    if found := known(request):
        return found
    address = counted_as(client_address(request))
    return f"address:{salted_hmac('client', address, algorithm='sha256').hexdigest()[:32]}"
