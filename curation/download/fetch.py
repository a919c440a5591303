"""One address → a temporary file."""

import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urljoin

from urllib3 import HTTPResponse

from curation.download import addresses, retry_policy, robots
from curation.download.addresses import Target
from curation.download.clock import TICK, Clock, Watch
from curation.download.errors import (
    BadAddress,
    DownloadError,
    EmptyBody,
    Encoded,
    HttpError,
    RobotsRefused,
    TooLarge,
    TooManyRedirects,
)
from curation.download.limits import Limits
from curation.download.transport import Transport, body

USER_AGENT = "ShoeTypeRecognizer/1.0 (collects pictures of shoes)"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Codings that change the bytes. Others that servers put there ("none", "utf-8", "aws-chunked")
# do not, and what is in the file is judged by whoever decodes it.
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})


@dataclass
class Fetched:
    """A file that was fetched; close it, or use it in `with`.

    `file`: open at its start, without a name, gone once closed. `url`: where it was in the end.
    `bytes`: how many. `media_type`: what the server calls it, lower case, without parameters,
    "" where it says nothing; it is not checked.
    """

    file: BinaryIO
    url: str
    bytes: int
    media_type: str

    def read(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        """Throw the file away."""
        self.file.close()

    def __enter__(self) -> "Fetched":
        return self

    def __exit__(self, *_) -> None:
        self.close()


class Downloader:
    """Fetches addresses. Threads share it; it keeps connections, so close it or use `with`.

    `connections`: fetches at a time; more wait. `user_agent`: who we say we are; its first word
    up to the slash is the name that `X-Robots-Tag` may call us by.
    """

    def __init__(self, limits: Limits, connections: int, *, user_agent: str = USER_AGENT):
        self.limits = limits
        self.user_agent = user_agent
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "image/*",
            # Nothing to unpack means nothing that unpacks to gigabytes; pictures are packed.
            "Accept-Encoding": "identity",
        }
        self._transport = Transport(limits, connections)
        self._watch = Watch()
        self._hosts = retry_policy.Hosts()
        self._slots = threading.BoundedSemaphore(connections)

    def fetch(self, url: str) -> Fetched:
        """The file at an address, after redirects. Raises DownloadError, and OSError where the
        temporary file cannot be written."""
        with self._watch.over(self.limits.seconds) as clock, self._slot(clock):
            for tries_left in reversed(range(self.limits.tries)):
                try:
                    return self._follow(url, clock)
                except DownloadError as error:
                    pause = retry_policy.pause_before_retry(error) if tries_left else None
                    if pause is None or pause >= clock.left():
                        raise
                clock.sleep(pause)
        raise ValueError("Limits.tries is less than 1")

    def close(self) -> None:
        """End every fetch under way, and refuse those to come. From any thread, more than once.

        Whoever reads fails at once; a connection in the making ends by `connect_seconds`.
        """
        self._watch.close()
        self._transport.close()

    def __enter__(self) -> "Downloader":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @contextmanager
    def _slot(self, clock: Clock):
        while not self._slots.acquire(timeout=min(TICK, clock.left())):
            pass
        try:
            yield
        finally:
            self._slots.release()

    def _follow(self, url: str, clock: Clock) -> Fetched:
        """Ask, and go on asking where the answers point to."""
        for _ in range(self.limits.redirects + 1):
            target = addresses.target(url, self._headers, self.limits)
            self._hosts.ask(target.host)
            with self._transport.ask(target, clock) as answer:
                onward = self._judge(answer, target)
                if not onward:
                    return self._keep(answer, target.url, clock)
            # From https to http too: no secret is sent, and what comes back is trusted in
            # neither case. `Fetched.url` tells.
            try:
                url = urljoin(target.url, onward)
            except ValueError:
                raise BadAddress("it was passed on to something that is no address") from None
        raise TooManyRedirects(self.limits.redirects)

    def _judge(self, answer: HTTPResponse, target: Target) -> str | None:
        """The address an answer points to; None for a file. Raises HttpError, RobotsRefused,
        Encoded, TooLarge."""
        wait = retry_policy.retry_after(answer.headers.get("Retry-After"))
        self._hosts.note(target.host, answer.status, wait)
        location = answer.headers.get("Location")
        redirected = answer.status in _REDIRECTS and location
        if answer.status != 200 and not redirected:
            raise HttpError(answer.status, wait)
        asked = robots.refusal(answer.headers.getlist("X-Robots-Tag"), self.user_agent)
        if asked and self.limits.robots:
            raise RobotsRefused(asked)
        if redirected:
            # Headers are read as latin-1; those who put more into them mean UTF-8.
            return location.encode("latin-1", "replace").decode("utf-8", "replace")
        for coding in answer.headers.get("Content-Encoding", "").lower().split(","):
            if coding.strip() in _COMPRESSED:
                raise Encoded(coding.strip())
        if (answer.length_remaining or 0) > self.limits.max_bytes:
            raise TooLarge(self.limits.max_bytes)
        return None

    def _keep(self, answer: HTTPResponse, url: str, clock: Clock) -> Fetched:
        """The body in a temporary file. Raises TooLarge, EmptyBody, Truncated."""
        file = tempfile.TemporaryFile()
        try:
            received = 0
            for piece in body(answer, clock):
                received += len(piece)
                if received > self.limits.max_bytes:
                    raise TooLarge(self.limits.max_bytes)
                file.write(piece)
            if not received:
                raise EmptyBody
            file.seek(0)
        except BaseException:
            file.close()
            raise
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Fetched(file, url, received, media_type[:100])
