"""What one download may cost, and where it may go."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of every fetch of one `Downloader`.

    `max_bytes`: of one file. `seconds`: for one address in all: its name, redirects, pauses and
    second tries included. `connect_seconds`: for one connection. `redirects`: followed at most.
    `tries`: in all, so 1 means no second try. `ports`: that may be asked. `robots`: obey
    `X-Robots-Tag`. `private`: networks that may be asked though they are not public, such as
    "127.0.0.0/8": for tests and for an operator's own servers. `ca_file`: certificates to trust
    in place of the usual ones, for the same two.
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
