"""What the engines have in common: answers are checked, results cleaned, pages counted.

The engines are ddgs's own classes; their base class turns every answer but 200 into "nothing
found", so that a refusal and a dry search look alike. `CheckedClient` takes its client's place.
`ddgs.DDGS` itself is left out: it ranks results anew.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

import primp
from ddgs.results import ImagesResult

from curation.errors import CurationError
from curation.search.errors import RateLimited, SearchBroken, SearchUnreachable
from curation.search.query import Connection, Hit, Page, Query

# Engines end sooner (DuckDuckGo after some ten pages); this only ends what never would.
MOST_PAGES = 100
# 202 is DuckDuckGo's answer to those it takes for a machine, 418 and 403 those of its blocks.
REFUSALS = {202, 401, 403, 418, 429}
# The largest number that a PositiveIntegerField holds in every database.
MOST_PIXELS = 2**31 - 1


class Found(NamedTuple):
    """A result as the engine gives it: any of it may be missing or nonsense."""

    file_url: object
    page_url: object
    title: object
    width: object
    height: object


class CheckedClient:
    """ddgs's HTTP client, with a refusal told from an answer."""

    def __init__(self, client: primp.Client, words: str, seconds: float):
        self.client = client
        self.words = words
        self.seconds = seconds

    def send(self, method: str, url: str, **options) -> primp.Response:
        """Return the answer, whatever its status, body and all, or raise SearchUnreachable."""
        try:
            answer = self.client.request(method, url, **options)
            _ = answer.content  # read here, so that a broken connection shows here
        except (primp.DecodeError, primp.RedirectError) as error:
            raise SearchBroken(self.words, "its encoding or its redirects make no sense") from error
        except primp.PrimpError as error:
            raise SearchUnreachable(self.words, reason(error, self.seconds)) from error
        return answer

    def checked(self, answer: primp.Response) -> primp.Response:
        """Return an answer that is neither a refusal nor an error."""
        status = answer.status_code
        if status in REFUSALS:
            raise RateLimited(self.words, retry_after(answer.headers.get("retry-after", "")))
        if status >= 500:
            raise SearchUnreachable(self.words, f"it has trouble of its own (HTTP {status})")
        if status != 200:
            raise SearchBroken(self.words, f"HTTP {status}")
        return answer

    def request(self, method: str, url: str, **options) -> primp.Response:
        """Send and check: what ddgs's own code calls."""
        return self.checked(self.send(method, url, **options))


class Checked:
    """Mixin that comes before one of ddgs's image engines."""

    words: ClassVar[str]
    page_size: ClassVar[int]
    challenges: ClassVar[tuple[str, ...]]  # what only a page that asks for a person says

    def __init__(self, connection: Connection):
        try:
            super().__init__(
                proxy=connection.proxy or None,
                timeout=connection.timeout,
                verify=connection.ca_file or True,
            )
        except primp.PrimpError as error:
            why = "the proxy or the file of certificates that is set for searches cannot be used"
            raise SearchUnreachable(self.words, why) from error
        self.http_client = CheckedClient(self.http_client.client, self.words, connection.timeout)

    def found(self, query: Query, page: int) -> list[Found]:
        """Ask for one page of results; an empty list where there are no more."""
        raise NotImplementedError

    def puzzled(self, text: str, why: str) -> CurationError:
        """Return the error for a page that is not what was asked for.

        Challenges are looked for in such pages alone: a result may well speak of them.
        """
        if any(mark in text for mark in self.challenges):
            return RateLimited(self.words, None)
        return SearchBroken(self.words, why)


def pages(engine: Checked, query: Query) -> Iterator[Page]:
    """Yield page after page until one is empty or shows nothing new; some engines repeat the last.

    A rank is the place among all results, those included that are left out for their address or
    because an earlier page had them.
    """
    seen = set()
    rank = 0
    for number in range(query.first_page, MOST_PAGES + 1):
        results = engine.found(query, number)
        new = {result.file_url for result in results if isinstance(result.file_url, str)} - seen
        if not new:
            return
        rank = max(rank, (number - 1) * engine.page_size)
        hits = []
        for result in results:
            rank += 1
            if result.file_url in new and (hit := _hit(result, number, rank)):
                hits.append(hit)
                new.discard(result.file_url)
            seen.add(result.file_url)
        yield Page(number, tuple(hits))


def reason(error: Exception, seconds: float) -> str:
    """Word an error of the HTTP client."""
    said = f"{error!r} {error.__cause__!r}".lower()
    if isinstance(error, primp.DNSError):
        return "its name could not be looked up"
    if isinstance(error, primp.TimeoutError):
        return f"no answer came within {seconds:g} seconds"
    # Not "tls" by itself: rustls is named where a connection merely breaks off, too.
    if "close_notify" not in said and any(word in said for word in ("certificate", "handshake")):
        return "its certificate is not trusted"
    if isinstance(error, primp.ConnectError):
        return "no connection could be made"
    return "the connection broke off"


def retry_after(value: str) -> float | None:
    """Read a Retry-After header, a number or a date, as seconds from now; None for nonsense."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _hit(result: Found, page: int, rank: int) -> Hit | None:
    """Clean a result; None where its file has no address that can be fetched."""
    if not (file_url := _address(result.file_url)):
        return None
    # ddgs's result takes markup and control characters out of its title.
    title = ImagesResult(title=result.title).title if isinstance(result.title, str) else ""
    size = _pixels(result.width), _pixels(result.height)
    return Hit(page, rank, file_url, _address(result.page_url), title, *size)


def _address(value: object) -> str:
    """Return an http(s) URL as it is, and empty text for anything else.

    Unprintable ones go too: a NUL or half a surrogate pair is more than a database can store.
    """
    if not isinstance(value, str) or not (url := value.strip()).isprintable():
        return ""
    try:
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname else ""
    except ValueError:
        return ""


def _pixels(value: object) -> int | None:
    """Read a side's length, a number or text."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 11):
        return None
    return number if 0 < (number := int(text)) <= MOST_PIXELS else None
