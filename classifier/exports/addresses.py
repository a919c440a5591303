"""Addresses for an exported page, checked."""

import re
from urllib.parse import SplitResult, urlsplit

from classifier.errors import ClassifierError

# They are written into the page's policy and markup: no character that could end either.
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:]+\]")
_PATH = re.compile(r"(/[\w.~-]+)*", re.ASCII)
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}


class BadAddress(ClassifierError):
    """An address cannot be used in an exported page."""

    address: str
    why: str
    code = "bad_address"
    message = "The address {address!r} cannot be used: {why}. Give one like https://shoes.example."


def read(text: str) -> SplitResult:
    """An address of a site, https or on this machine: scheme, host with port, and path, which is
    empty, or begins with a slash and ends without. Raises BadAddress."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise BadAddress(text, str(error)) from error
    host = parts.netloc.lower()
    name = host.removesuffix(f":{port}") if port is not None else host
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(name):
        raise BadAddress(text, "it is no address of a site")
    if parts.scheme == "http" and name not in _LOCAL:
        raise BadAddress(text, "pages on https may not ask a site on http")
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not _PATH.fullmatch(path):
        raise BadAddress(text, "only a host, a port and a plain path are understood")
    return parts._replace(netloc=host, path=path)
