"""The address that a request came from, behind trusted proxies too."""

import ipaddress
from functools import lru_cache

from django.conf import settings

# In TRUSTED_PROXIES: a proxy that connects over a Unix socket, which has no address.
UNIX = "unix"
# A household or a server has a whole /64, and could take another address for every request.
IPV6_PREFIX = 64


def client_address(request) -> str:
    """The client's address; an empty text if it is unknown.

    X-Forwarded-For counts only if a trusted proxy sent it. Each proxy appends the address that it
    was asked from, so the client's is the rightmost that is no trusted proxy's; whatever stands to
    the left of it may be forged.
    """
    client = _parsed(request.META.get("REMOTE_ADDR", ""))
    networks, unix = trusted_proxies(tuple(settings.TRUSTED_PROXIES))
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        trusted = unix if client is None else any(client in network for network in networks)
        address = _parsed(hop)
        if not trusted or address is None:
            break
        client = address
    return str(client or "")


def client_network(address: str) -> str:
    """What requests are counted by: an IPv4 address itself, an IPv6 address's /64."""
    parsed = _parsed(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or "unknown")
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


@lru_cache(maxsize=8)
def trusted_proxies(proxies: tuple[str, ...]) -> tuple[list, bool]:
    """Read the setting TRUSTED_PROXIES: the networks, and whether Unix sockets are trusted.

    Raises ValueError for a name that is neither a network nor “unix”.
    """
    names = [name.strip() for name in proxies if name.strip()]
    networks = [ipaddress.ip_network(name, strict=False) for name in names if name != UNIX]
    return networks, UNIX in names


def _parsed(text: str):
    """An address object; IPv4 in IPv6 is unwrapped. None if `text` is no address.

    Some proxies add a port; then an IPv6 address is in brackets.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
