"""Why an address was not fetched. `again` says whether a later collection may try it once more."""

from dataclasses import dataclass

from curation.errors import CurationError

# Answers of a server in trouble, or in a hurry: they say nothing about the file.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(CurationError):
    """Nothing was fetched. `again`: true where the reason may be gone by another day."""

    code = "download"
    again = False


@dataclass(eq=False)
class BadAddress(DownloadError):
    """No usable address; `why` is a clause."""

    why: str
    code = "bad-address"
    sentence = "This web address cannot be used: {why}."


@dataclass(eq=False)
class BadScheme(DownloadError):
    """Neither http nor https."""

    scheme: str
    code = "scheme"
    sentence = "Only http and https addresses are fetched, not {scheme}."


class Credentials(DownloadError):
    """A user name or a password in the address. It is not repeated: it may be a real one."""

    code = "credentials"
    sentence = "The web address holds a user name or a password; give one without."


@dataclass(eq=False)
class BadPort(DownloadError):
    """A port outside `Limits.ports`."""

    port: int
    code = "port"
    sentence = "Port {port} is not fetched from."


@dataclass(eq=False)
class NotPublic(DownloadError):
    """The host has an address that is not on the public internet."""

    host: str
    code = "not-public"
    sentence = "{host} is not on the public internet, so nothing was asked of it."


@dataclass(eq=False)
class TooManyRedirects(DownloadError):
    """More redirects than allowed, or a loop."""

    limit: int
    code = "too-many-redirects"
    sentence = "The address was passed on more than {limit} times."


@dataclass(eq=False)
class HttpError(DownloadError):
    """Any answer but 200. `retry_after`: seconds the server asked us to wait, if it did."""

    status: int
    retry_after: float | None = None
    code = "http-error"
    sentence = "The server answered with status {status} in place of a file."

    @property
    def again(self) -> bool:
        """True for trouble that passes."""
        return self.status in PASSING


@dataclass(eq=False)
class TooLarge(DownloadError):
    """More bytes than allowed, as declared or as counted."""

    limit: int
    code = "too-large"

    @property
    def detail(self) -> str:
        """One sentence for people."""
        return f"The file has more than the {self.limit / 1024**2:.1f} MB that are allowed."


@dataclass(eq=False)
class TooSlow(DownloadError):
    """Not done within `seconds`, for whatever reason."""

    seconds: float
    code = "too-slow"
    again = True
    sentence = "The download was not done within {seconds:g} seconds."


@dataclass(eq=False)
class Unreachable(DownloadError):
    """No connection, or none that lasted until an answer; `why` is a clause."""

    host: str
    why: str
    again: bool = True
    code = "unreachable"
    sentence = "{host} cannot be reached: {why}."


@dataclass(eq=False)
class Insecure(DownloadError):
    """No secure connection, most often a bad certificate; `why` is a clause."""

    host: str
    why: str
    code = "tls"
    sentence = "No secure connection to {host}: {why}."


@dataclass(eq=False)
class BrokenAnswer(DownloadError):
    """What came back is no HTTP."""

    host: str
    code = "broken-answer"
    sentence = "{host} gave an answer that cannot be understood."


@dataclass(eq=False)
class Truncated(DownloadError):
    """The connection ended before the file did."""

    received: int
    code = "truncated"
    again = True
    sentence = "The download broke off after {received:,} bytes."


@dataclass(eq=False)
class Encoded(DownloadError):
    """Compressed for the way although we asked for it plain."""

    encoding: str
    code = "encoded"
    sentence = "The server sent the file compressed ({encoding}) although it was asked not to."


@dataclass(eq=False)
class RobotsRefused(DownloadError):
    """`X-Robots-Tag` asks that the file is left alone."""

    directive: str
    code = "robots"
    sentence = "The site asks that this file is not collected ({directive})."


@dataclass(eq=False)
class HostTired(DownloadError):
    """The host asked for fewer requests; it is left alone for `seconds` more."""

    host: str
    seconds: float
    code = "host-tired"
    again = True
    sentence = "{host} asked for fewer requests and is left alone for {seconds:.0f} seconds."


class EmptyBody(DownloadError):
    """A good answer with nothing in it."""

    code = "empty"
    sentence = "The server sent an empty file."


class Stopped(DownloadError):
    """The downloader was closed."""

    code = "stopped"
    again = True
    sentence = "The download was stopped before it was done."
