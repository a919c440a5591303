"""The client of a request, as a short text to count requests and keep answers by."""

from django.utils.crypto import salted_hmac

from shoeproject.api.client_address import client_address, client_network


def authenticated_client(request) -> str:
    """`token:…` or `user:…` of an authenticated request; else an empty text.

    A token is an authentication class's `request.auth` that has an attribute `client`.
    """
    if token := getattr(getattr(request, "auth", None), "client", ""):
        return token
    # Only of a REST framework request: the session that Django's request has a user from does not
    # count on public pages.
    user = getattr(request, "user", None) if hasattr(request, "authenticators") else None
    return f"user:{user.pk}" if user is not None and user.is_authenticated else ""


def client_key(request) -> str:
    """The token, else the account, else a keyed digest of the address.

    A digest, because the cache may write to a disk, and visitors' addresses are not stored.
    """
    if client := authenticated_client(request):
        return client
    address = client_network(client_address(request))
    return f"address:{salted_hmac('client', address, algorithm='sha256').hexdigest()[:32]}"
