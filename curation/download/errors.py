"""Reasons why an address was not fetched."""

from curation.errors import CurationError


class DownloadError(CurationError):
    """Nothing was fetched."""

    code = "download"


class BadAddress(DownloadError):
    """The address cannot be used; `why` is a clause."""

    why: str
    code = "bad-address"
    message = "This web address cannot be used: {why}."


class BadScheme(DownloadError):
    """The address is neither http nor https."""

    scheme: str
    code = "scheme"
    message = "Only http and https addresses are fetched, not {scheme}."


class Credentials(DownloadError):
    """The address holds a user name or a password, which the message does not repeat."""

    code = "credentials"
    message = "The web address holds a user name or a password; give one without."


class BadPort(DownloadError):
    """The port is not in `Limits.ports`."""

    port: int
    code = "port"
    message = "Port {port} is not fetched from."


class NotPublic(DownloadError):
    """The host has an address that is not on the public internet."""

    host: str
    code = "not-public"
    message = "{host} is not on the public internet, so nothing was asked of it."


class TooManyRedirects(DownloadError):
    """There were more redirects than allowed, or a loop of them."""

    limit: int
    code = "too-many-redirects"
    message = "The address was passed on more than {limit} times."


class HttpError(DownloadError):
    """The status is not 200. `retry_after`: seconds the server asked us to wait, if it did."""

    answered: int
    retry_after: float | None = None
    code = "http-error"
    message = "The server answered with status {answered} in place of a file."


class TooLarge(DownloadError):
    """The file has more bytes than allowed, as declared or as counted."""

    limit: int
    code = "too-large"
    message = "The file has more than the {megabytes:.1f} MB that are allowed."

    @property
    def megabytes(self) -> float:
        """The limit in units of 1024² bytes."""
        return self.limit / 1024**2


class TooSlow(DownloadError):
    """The fetch was not done within `seconds`, for whatever reason."""

    seconds: float
    code = "too-slow"
    message = "The download was not done within {seconds:g} seconds."


class Unreachable(DownloadError):
    """There was no connection, or none that lasted until an answer; `why` is a clause.

    `temporary`: whether a second try may succeed.
    """

    host: str
    why: str
    temporary: bool = True
    code = "unreachable"
    message = "{host} cannot be reached: {why}."


class Insecure(DownloadError):
    """There was no secure connection, most often for a bad certificate; `why` is a clause."""

    host: str
    why: str
    code = "tls"
    message = "No secure connection to {host}: {why}."


class BrokenAnswer(DownloadError):
    """The answer is not valid HTTP."""

    host: str
    code = "broken-answer"
    message = "{host} gave an answer that cannot be understood."


class Truncated(DownloadError):
    """The connection ended before the file did."""

    received: int
    code = "truncated"
    message = "The download broke off after {received:,} bytes."


class Encoded(DownloadError):
    """The body is compressed (Content-Encoding) although it was asked for as it is."""

    encoding: str
    code = "encoded"
    message = "The server sent the file compressed ({encoding}) although it was asked not to."


class RobotsRefused(DownloadError):
    """`X-Robots-Tag` asks not to collect the file."""

    directive: str
    code = "robots"
    message = "The site asks that this file is not collected ({directive})."


class HostPaused(DownloadError):
    """The host asked for fewer requests; it gets none for `seconds` more."""

    host: str
    seconds: float
    code = "host-tired"
    message = "{host} asked for fewer requests and is left alone for {seconds:.0f} seconds."


class EmptyBody(DownloadError):
    """The status is 200 and the body is empty."""

    code = "empty"
    message = "The server sent an empty file."


class Stopped(DownloadError):
    """The downloader was closed."""

    code = "stopped"
    message = "The download was stopped before it was done."
