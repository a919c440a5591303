"""Limits of downloads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of every fetch of one `Downloader`.

    `max_bytes`: of one file. `seconds`: for one address in all, with look-up, redirects, pauses
    and second tries. `connect_seconds`: for one connection. `redirects`: followed at most.
    `tries`: in all, so 1 means no second try. `ports`: those allowed. `robots`: obey
    `X-Robots-Tag`. `private`: networks allowed though they are not public, such as "127.0.0.0/8",
    for tests and for an operator's own servers. `ca_file`: certificates to trust instead of the
    usual ones, for the same two.
    """

    max_bytes: int
    seconds: float
    connect_seconds: float
    redirects: int
    tries: int
    ports: frozenset[int] = frozenset({80, 443})
    robots: bool = True
    private: tuple[str, ...] = ()
    ca_file: str = ""
