"""Rules for which URLs and which IP addresses may be requested."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import requests
from AntiSSRF import AntiSSRFPolicy, PolicyConfigOptions

from curation.download.errors import BadAddress, BadPort, BadScheme, Credentials
from curation.download.limits import Limits

MAX_URL = 4096  # characters
DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
# Hosts that a resolver would read as a number: 2130706433, 0x7f.1 or 127.0.0.01.
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?$")

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# All of IPv6 but 2000::/3 and the mapped block, in which AntiSSRF keeps IPv4.
_OUTSIDE_GLOBAL_UNICAST = [
    *map(
        str,
        ipaddress.ip_network("::/3").address_exclude(ipaddress.ip_network("::ffff:0:0/96")),
    ),
    "4000::/2",
    "8000::/1",
]


@dataclass(frozen=True)
class Target:
    """A request that may be sent, and the host and port it goes to."""

    request: requests.PreparedRequest
    host: str
    port: int


def target(url: str, headers: dict[str, str], limits: Limits) -> Target:
    """The request for a URL that may be requested.

    Checked is the URL as it will be sent, with its name in ASCII and its path quoted, so that no
    second parser can read another host in it. Whether the host is public is checked when its name
    is looked up. Raises BadAddress, BadScheme, Credentials, BadPort.
    """
    url = url.strip(" \t\r\n")
    if len(url) > MAX_URL:
        raise BadAddress(f"it is longer than {MAX_URL} characters")
    if _CONTROL.search(url):
        raise BadAddress("it holds control characters")
    scheme = _SCHEME.match(url)
    if not scheme:
        raise BadAddress("it does not begin with http:// or https://")
    if scheme[1].lower() not in DEFAULT_PORTS:
        raise BadScheme(scheme[1].lower())
    try:
        request = requests.Request("GET", url.partition("#")[0], headers).prepare()
        parts = urlsplit(request.url)
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except (requests.RequestException, ValueError):
        raise BadAddress("it is not written as a web address should be") from None
    if "@" in parts.netloc:
        raise Credentials
    _check_host(parts.hostname or "")
    if port not in limits.ports:
        raise BadPort(port)
    # The library below would leave the port out.
    request.headers["Host"] = parts.netloc
    return Target(request, parts.hostname, port)


def _check_host(host: str) -> None:
    """Refuse hosts that a resolver may read in more than one way. Raises BadAddress."""
    if ":" in host:
        if "%" in host:
            raise BadAddress("it names a network interface")
        return
    if not _NAME.fullmatch(host) or any(len(label) > 63 for label in host.split(".")):
        raise BadAddress("it has no usable host name")
    if _NUMBER.search(host):
        try:
            IPv4Address(host)
        except ValueError:
            raise BadAddress("its host is a number that is not written as 192.0.2.1") from None


def is_public(address: IPv4Address | IPv6Address, allowed: Iterable[str] = ()) -> bool:
    """Whether an IP address is on the public internet, or in one of the networks `allowed`.

    Of IPv6 only 2000::/3 is global unicast (IANA, "Internet Protocol Version 6 Address Space").
    All forms that carry an IPv4 address are outside of it and refused whole, 6to4 and Teredo,
    which are inside, too: `::7f00:1`, `64:ff9b::7f00:1` and `2002:7f00:1::` are all 127.0.0.1
    somewhere. The one form that sockets treat as IPv4, `::ffff:127.0.0.1`, is checked as that.
    """
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network, strict=False) for network in allowed):
        return True
    if address.version == 6 and (
        address not in _GLOBAL_UNICAST or address.sixtofour or address.teredo
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def policy(allowed: tuple[str, ...]) -> AntiSSRFPolicy:
    """AntiSSRF's policy for public addresses, plain http included, and the networks `allowed`.

    Its own list lets IPv4-compatible addresses and unassigned IPv6 space through; they are added
    to what is denied.
    """
    rules = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_V1)
    rules.add_denied_addresses(_OUTSIDE_GLOBAL_UNICAST)
    rules.allow_plain_text_http = True
    rules.add_xff_header = False
    if allowed:
        rules.add_allowed_addresses(list(allowed))
    return rules
