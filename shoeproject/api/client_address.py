"""The address that a request came from, also where it came through proxies."""

import ipaddress
from functools import lru_cache

from django.conf import settings

# What stands in TRUSTED_PROXIES for a proxy that connects over a Unix socket, without an address.
UNIX = "unix"
# A household or a server has a whole /64, and could take another address for every request.
IPV6_PREFIX = 64


def client_address(request) -> str:
    """Who sent this Django request, as an address; an empty text where nobody can tell.

    X-Forwarded-For counts only where a trusted proxy handed it over. Each proxy appends the address
    that it was asked from, so what is furthest to the right and no trusted proxy's is the client's:
    whatever stands to the left of it may be made up.
    """
    found = _parsed(request.META.get("REMOTE_ADDR", ""))
    networks, unix = trusted_proxies()
    if not (unix if found is None else _within(found, networks)):
        return str(found or "")
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _parsed(hop)
        if address is None:
            break
        found = address
        if not _within(found, networks):
            break
    return str(found or "")


def counted_as(address: str) -> str:
    """What an address is counted under: itself, or its /64 where it is an IPv6 address."""
    parsed = _parsed(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or "unknown")
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


def trusted_proxies() -> tuple[list, bool]:
    """Their networks, and whether Unix sockets are trusted. ValueError for what is no network."""
    return _trusted(tuple(settings.TRUSTED_PROXIES))


def _parsed(text: str):
    """An address object, of IPv4 where one is wrapped in IPv6; None for what is no address.

    Some proxies write a port behind the address, in brackets for IPv6.
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


@lru_cache(maxsize=8)
def _trusted(proxies: tuple[str, ...]):
    names = [name.strip() for name in proxies if name.strip()]
    networks = [ipaddress.ip_network(name, strict=False) for name in names if name != UNIX]
    return networks, UNIX in names


def _within(address, networks) -> bool:
    return any(address in network for network in networks)
