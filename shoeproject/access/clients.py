"""Who asks, as one short text to count and remember by."""

from shoeproject.access.address import client_address, counted_as


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
    """The token, else the account, else the address."""
    return known(request) or f"address:{counted_as(client_address(request))}"
