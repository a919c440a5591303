"""What the engines share: check answers, clean results, go from page to page.

The engines are subclasses of ddgs's. Their base class turns every status but 200 into "nothing
found", so that a refusal looks like an empty result; `CheckedClient` replaces its HTTP client.
`ddgs.DDGS` itself is not used, because it ranks results anew.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

import primp
from ddgs.results import ImagesResult

from curation.download.retry_policy import parse_retry_after
from curation.errors import CurationError
from curation.search.errors import RateLimited, SearchBroken, SearchUnreachable
from curation.search.query import Connection, Hit, Page, Query

# Engines end sooner (DuckDuckGo after some ten pages); this ends an engine that never would.
MAX_PAGES = 100
# DuckDuckGo answers 202 to what it takes for a program, and 403 or 418 to what it blocks.
REFUSALS = {202, 401, 403, 418, 429}
# The largest number that a PositiveIntegerField holds in every database.
MAX_PIXELS = 2**31 - 1


class RawResult(NamedTuple):
    """A result as the engine gives it: any field may be missing or nonsense."""

    file_url: object
    page_url: object
    title: object
    width: object
    height: object


class CheckedClient:
    """Wraps ddgs's HTTP client to raise our errors. `provider`: the engine's name for people."""

    def __init__(self, client: primp.Client, provider: str, seconds: float):
        self.client = client
        self.provider = provider
        self.seconds = seconds

    def send(self, method: str, url: str, **options) -> primp.Response:
        """Return the answer with its body read, whatever its status.

        Raises SearchUnreachable or SearchBroken.
        """
        try:
            answer = self.client.request(method, url, **options)
            _ = answer.content  # read here, so that a broken connection shows here
            return answer
        except (primp.DecodeError, primp.RedirectError) as error:
            raise SearchBroken(
                self.provider, "its encoding or its redirects make no sense"
            ) from error
        except primp.PrimpError as error:
            raise SearchUnreachable(self.provider, _describe(error, self.seconds)) from error

    def checked(self, answer: primp.Response) -> primp.Response:
        """Return the answer if its status is 200.

        Raises RateLimited, SearchUnreachable or SearchBroken.
        """
        status = answer.status_code
        if status in REFUSALS:
            raise RateLimited(self.provider, parse_retry_after(answer.headers.get("retry-after")))
        if status >= 500:
            raise SearchUnreachable(self.provider, f"it has trouble of its own (HTTP {status})")
        if status != 200:
            raise SearchBroken(self.provider, f"HTTP {status}")
        return answer

    def request(self, method: str, url: str, **options) -> primp.Response:
        """Send, check and return the answer. ddgs's own code calls this."""
        return self.checked(self.send(method, url, **options))


class CheckedEngine:
    """Mixin for ddgs's image engines; comes before them among the bases."""

    provider_name: ClassVar[str]  # for people
    page_size: ClassVar[int]
    may_end_empty: ClassVar[bool] = False  # whether an empty answer may follow the last page
    challenge_marks: ClassVar[tuple[str, ...]]  # text that only a page with a CAPTCHA holds

    def __init__(self, connection: Connection):
        try:
            super().__init__(
                proxy=connection.proxy or None,
                timeout=connection.timeout,
                verify=connection.ca_file or True,
            )
        except primp.PrimpError as error:
            raise SearchUnreachable(
                self.provider_name,
                "the proxy or the file of certificates that is set for searches cannot be used",
            ) from error
        self.http_client = CheckedClient(
            self.http_client.client, self.provider_name, connection.timeout
        )

    def filters(self, query: Query) -> Mapping[str, str]:
        """Return the query's filters as keyword arguments of `build_payload`."""
        return query.filters

    def fetch_page(self, query: Query, page: int) -> list[RawResult]:
        """Fetch one page of results; an empty list where there are no more."""
        results = self.search(
            query.text,
            safesearch="on" if query.safe else "off",
            page=page,
            **self.filters(query),
        )
        if results is None and (page == 1 or not self.may_end_empty):
            raise SearchBroken(self.provider_name, "it is empty")
        return results or []

    def unreadable(self, text: str, why: str) -> CurationError:
        """Return the error for a page without readable results: RateLimited or SearchBroken.

        CAPTCHAs are looked for in such pages alone, because a result's text may name them, too.
        """
        if any(mark in text for mark in self.challenge_marks):
            return RateLimited(self.provider_name, None)
        return SearchBroken(self.provider_name, why)


def pages(
    engine_class: type[CheckedEngine], query: Query, connection: Connection
) -> Iterator[Page]:
    """Yield pages until one is empty or shows nothing new; some engines repeat the last one.

    A rank counts all results, those included that are left out for their address or because an
    earlier page had them.
    """
    engine = engine_class(connection, query.safe)
    seen = set()
    rank = 0
    for number in range(query.first_page, MAX_PAGES + 1):
        results = engine.fetch_page(query, number)
        new = {result.file_url for result in results if isinstance(result.file_url, str)} - seen
        if not new:
            return
        seen |= new
        hits = []
        before = max(rank, (number - 1) * engine.page_size)
        for rank, result in enumerate(results, before + 1):
            hit = _hit(result, rank)  # None for an address that is no text: a set may not take it
            if hit and result.file_url in new:
                hits.append(hit)
                new.discard(result.file_url)
        yield Page(number, tuple(hits))


def _describe(error: Exception, seconds: float) -> str:
    text = f"{error!r} {error.__cause__!r}".lower()
    if isinstance(error, primp.DNSError):
        return "its name could not be looked up"
    if isinstance(error, primp.TimeoutError):
        return f"no answer came within {seconds:g} seconds"
    # Not "tls" by itself: errors of a connection that broke off name rustls, too.
    if "close_notify" not in text and any(word in text for word in ("certificate", "handshake")):
        return "its certificate is not trusted"
    if isinstance(error, primp.ConnectError):
        return "no connection could be made"
    return "the connection broke off"


def _hit(result: RawResult, rank: int) -> Hit | None:
    """Clean a raw result; None where its file has no address that can be fetched."""
    if not (file_url := _address(result.file_url)):
        return None
    # ddgs's result class removes markup and control characters from its title.
    title = ImagesResult(title=result.title).title if isinstance(result.title, str) else ""
    return Hit(
        rank,
        file_url,
        page_url=_address(result.page_url),
        title=title,
        width=_pixels(result.width),
        height=_pixels(result.height),
    )


def _address(value: object) -> str:
    """Return an http(s) URL as it is, and "" for anything else.

    Also "" for unprintable text: databases do not store a NUL or half a surrogate pair.
    """
    if not isinstance(value, str) or not (url := value.strip()).isprintable():
        return ""
    try:
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname else ""
    except ValueError:
        return ""


def _pixels(value: object) -> int | None:
    """Return the length of a side, given as a number or as text; None where it is neither."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 11):
        return None
    return number if 0 < (number := int(text)) <= MAX_PIXELS else None
