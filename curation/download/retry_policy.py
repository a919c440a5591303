"""When a fetch is tried again, and hosts that get no requests for a while."""

import random
import threading
import time
from collections import Counter

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from curation.download.errors import DownloadError, HostPaused, HttpError, Truncated, Unreachable

PAUSE = (0.2, 0.8)  # seconds before a second try, drawn at random so that ours do not coincide
LONGEST_WAIT = 5.0  # seconds; where a server asks for more, this fetch is not tried again
# Refusals in a row after which a host is paused. A 403 is often about one file, a 429 never.
REFUSALS_TO_PAUSE = {429: 3, 403: 8}
HOST_PAUSE = 60.0  # seconds
LONGEST_HOST_PAUSE = 600.0  # seconds, whatever the server asks for


def parse_retry_after(value: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` header, a number or a date; None where it gives none."""
    try:
        return float(Retry().parse_retry_after(value or ""))
    except (InvalidHeader, ValueError, OverflowError):  # the last two for impossible dates
        return None


def pause_before_retry(error: DownloadError) -> float | None:
    """Seconds to wait before the same address is tried again; None: do not.

    Only failures that may be gone in a moment are tried again: no connection, a broken download,
    an overloaded server.
    """
    wait = None
    match error:
        case Truncated() | Unreachable(temporary=True):
            wait = 0.0
        case HttpError(answered=502 | 503 | 504):
            wait = error.retry_after or 0.0
        case HttpError(answered=429):
            wait = error.retry_after
    return None if wait is None or wait > LONGEST_WAIT else wait + random.uniform(*PAUSE)


class Hosts:
    """What hosts have answered lately. Threads share it."""

    def __init__(self) -> None:
        self._refusals: Counter[str] = Counter()  # host → in a row
        self._paused_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def check(self, host: str) -> None:
        """Raises HostPaused while the host gets no requests."""
        with self._lock:
            left = self._paused_until.get(host, 0) - time.monotonic()
        if left > 0:
            raise HostPaused(host, left)

    def note(self, host: str, status: int, wait: float | None = None) -> None:
        """Remember an answer. `wait`: seconds out of its `Retry-After`."""
        with self._lock:
            if status not in REFUSALS_TO_PAUSE:
                self._refusals.pop(host, None)
                self._paused_until.pop(host, None)
                return
            self._refusals[host] += 1
            long_wait = status == 429 and (wait or 0) > LONGEST_WAIT
            if long_wait or self._refusals[host] >= REFUSALS_TO_PAUSE[status]:
                pause = min(max(HOST_PAUSE, wait or 0), LONGEST_HOST_PAUSE)
                self._paused_until[host] = time.monotonic() + pause
                self._refusals[host] = 0
