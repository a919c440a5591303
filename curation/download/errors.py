"""Why an address was not fetched. `again` says whether a later collection may try it once more."""

from curation.errors import CurationError

# Answers of a server in trouble, or in a hurry: they say nothing about the file.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(CurationError):
    """Nothing was fetched. `again`: true where the reason may be gone by another day."""

    code = "download"
    again = False


class BadAddress(DownloadError):
    """No usable address; `why` is a clause."""

    why: str
    code = "bad-address"
    message = "This web address cannot be used: {why}."


class BadScheme(DownloadError):
    """Neither http nor https."""

    scheme: str
    code = "scheme"
    message = "Only http and https addresses are fetched, not {scheme}."


class Credentials(DownloadError):
    """A user name or a password in the address. It is not repeated: it may be a real one."""

    code = "credentials"
    message = "The web address holds a user name or a password; give one without."


class BadPort(DownloadError):
    """A port outside `Limits.ports`."""

    port: int
    code = "port"
    message = "Port {port} is not fetched from."


class NotPublic(DownloadError):
    """The host has an address that is not on the public internet."""

    host: str
    code = "not-public"
    message = "{host} is not on the public internet, so nothing was asked of it."


class TooManyRedirects(DownloadError):
    """More redirects than allowed, or a loop."""

    limit: int
    code = "too-many-redirects"
    message = "The address was passed on more than {limit} times."


class HttpError(DownloadError):
    """Any answer but 200. `retry_after`: seconds the server asked us to wait, if it did."""

    answered: int
    retry_after: float | None = None
    code = "http-error"
    message = "The server answered with status {answered} in place of a file."

    @property
    def again(self) -> bool:
        """True for trouble that passes."""
        return self.answered in PASSING


class TooLarge(DownloadError):
    """More bytes than allowed, as declared or as counted."""

    limit: int
    code = "too-large"
    message = "The file has more than the {megabytes:.1f} MB that are allowed."

    @property
    def megabytes(self) -> float:
        """The limit in units of 1024² bytes."""
        return self.limit / 1024**2


class TooSlow(DownloadError):
    """Not done within `seconds`, for whatever reason."""

    seconds: float
    code = "too-slow"
    again = True
    message = "The download was not done within {seconds:g} seconds."


class Unreachable(DownloadError):
    """No connection, or none that lasted until an answer; `why` is a clause."""

    host: str
    why: str
    again: bool = True
    code = "unreachable"
    message = "{host} cannot be reached: {why}."


class Insecure(DownloadError):
    """No secure connection, most often a bad certificate; `why` is a clause."""

    host: str
    why: str
    code = "tls"
    message = "No secure connection to {host}: {why}."


class BrokenAnswer(DownloadError):
    """What came back is no HTTP."""

    host: str
    code = "broken-answer"
    message = "{host} gave an answer that cannot be understood."


class Truncated(DownloadError):
    """The connection ended before the file did."""

    received: int
    code = "truncated"
    again = True
    message = "The download broke off after {received:,} bytes."


class Encoded(DownloadError):
    """Compressed for the way although we asked for it plain."""

    encoding: str
    code = "encoded"
    message = "The server sent the file compressed ({encoding}) although it was asked not to."


class RobotsRefused(DownloadError):
    """`X-Robots-Tag` asks that the file is left alone."""

    directive: str
    code = "robots"
    message = "The site asks that this file is not collected ({directive})."


class HostTired(DownloadError):
    """The host asked for fewer requests; it is left alone for `seconds` more."""

    host: str
    seconds: float
    code = "host-tired"
    again = True
    message = "{host} asked for fewer requests and is left alone for {seconds:.0f} seconds."


class EmptyBody(DownloadError):
    """A good answer with nothing in it."""

    code = "empty"
    message = "The server sent an empty file."


class Stopped(DownloadError):
    """The downloader was closed."""

    code = "stopped"
    again = True
    message = "The download was stopped before it was done."
