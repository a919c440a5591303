"""Download one address into a temporary file."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO
from urllib.parse import urljoin

from urllib3 import HTTPResponse

from curation.download import addresses, retry_policy, robots
from curation.download.addresses import Target
from curation.download.deadline import POLL_SECONDS, Deadline, DeadlineWatcher
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
from curation.download.transport import Transport, read_body

# `X-Robots-Tag` may call us by the first word, up to the slash.
USER_AGENT = "ShoeTypeRecognizer/1.0 (collects pictures of shoes)"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Content codings that compress. Servers send others too ("none", "utf-8", "aws-chunked"), which
# change nothing that matters: decoding the picture will tell.
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})


class Downloader(AbstractContextManager):
    """Fetches addresses. Threads share it; it keeps connections, so close it or use `with`.

    `connections`: fetches at a time; more wait.
    """

    def __init__(self, limits: Limits, connections: int):
        self.limits = limits
        self._headers = {
            "User-Agent": USER_AGENT,
            "Accept": "image/*",
            # Pictures are compressed already, and what is not decompressed cannot be a bomb.
            "Accept-Encoding": "identity",
        }
        self._transport = Transport(limits, connections)
        self._watcher = DeadlineWatcher()
        self._hosts = retry_policy.Hosts()
        self._slots = threading.BoundedSemaphore(connections)

    def fetch(self, url: str) -> BinaryIO:
        """The file at an address, after redirects, as an open temporary file, at its start.

        Raises DownloadError, and OSError where the temporary file cannot be written.
        """
        with self._watcher.deadline(self.limits.seconds) as deadline, self._slot(deadline):
            for tries_left in reversed(range(self.limits.tries)):
                try:
                    return self._follow(url, deadline)
                except DownloadError as error:
                    pause = retry_policy.pause_before_retry(error) if tries_left else None
                    if pause is None or pause >= deadline.remaining():
                        raise
                deadline.sleep(pause)
        raise ValueError("Limits.tries is less than 1")

    def close(self) -> None:
        """End every fetch under way, and refuse those to come. From any thread, more than once.

        A read under way fails at once; a connection in the making ends by `connect_seconds`.
        """
        self._watcher.close()
        self._transport.close()

    def __exit__(self, *_) -> None:
        self.close()

    @contextmanager
    def _slot(self, deadline: Deadline) -> Iterator[None]:
        """One of the `connections` fetches that may run at a time."""
        while not self._slots.acquire(timeout=min(POLL_SECONDS, deadline.remaining())):
            pass
        try:
            yield
        finally:
            self._slots.release()

    def _follow(self, url: str, deadline: Deadline) -> BinaryIO:
        for _ in range(self.limits.redirects + 1):
            target = addresses.target(url, self._headers, self.limits)
            self._hosts.check(target.host)
            with self._transport.response(target, deadline) as response:
                location = self._check(response, target)
                if not location:
                    return self._save(response, deadline)
            # From https to http too: no secret is sent, and what comes back is trusted in
            # neither case.
            try:
                url = urljoin(target.request.url, location)
            except ValueError:
                raise BadAddress("it was passed on to something that is no address") from None
        raise TooManyRedirects(self.limits.redirects)

    def _check(self, response: HTTPResponse, target: Target) -> str | None:
        """The address a redirect leads to; None for a file that may be read.

        Raises HttpError, RobotsRefused, Encoded, TooLarge.
        """
        wait = retry_policy.parse_retry_after(response.headers.get("Retry-After"))
        self._hosts.note(target.host, response.status, wait)
        location = response.headers.get("Location")
        redirected = response.status in _REDIRECTS and location
        if response.status != 200 and not redirected:
            raise HttpError(response.status, wait)
        tags = response.headers.getlist("X-Robots-Tag")
        if self.limits.robots and (directive := robots.refusal(tags, USER_AGENT)):
            raise RobotsRefused(directive)
        if redirected:
            # urllib3 reads headers as latin-1; servers that send more than ASCII mean UTF-8.
            return location.encode("latin-1", "replace").decode("utf-8", "replace")
        for coding in response.headers.get("Content-Encoding", "").lower().split(","):
            if coding.strip() in _COMPRESSED:
                raise Encoded(coding.strip())
        if (response.length_remaining or 0) > self.limits.max_bytes:
            raise TooLarge(self.limits.max_bytes)
        return None

    def _save(self, response: HTTPResponse, deadline: Deadline) -> BinaryIO:
        """The body in a temporary file. Raises TooLarge, EmptyBody, Truncated."""
        file = tempfile.TemporaryFile()
        try:
            for piece in read_body(response, deadline):
                if file.tell() + len(piece) > self.limits.max_bytes:
                    raise TooLarge(self.limits.max_bytes)
                file.write(piece)
            if not file.tell():
                raise EmptyBody
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file
