"""How often we come back: second tries, pauses, and hosts that have had enough."""

import random
import re
import threading
import time
from dataclasses import dataclass

from curation.download.errors import DownloadError, HostTired, HttpError, Truncated, Unreachable

PAUSE = (0.2, 0.8)  # seconds before a second try, drawn at random so that ours do not meet
LONGEST_WAIT = 5.0  # seconds that a server may ask for before we do not come back in this fetch
# Refusals in a row after which a host is left alone. A 403 is often about one file, a 429 never.
ENOUGH = {429: 3, 403: 8}
REST = 60.0  # seconds
LONGEST_REST = 600.0  # seconds, whatever the server asks for
_OVERLOADED = frozenset({502, 503, 504})


def retry_after(value: str | None) -> float | None:
    """Seconds out of a `Retry-After` header. The form with a date counts as not given: it would
    need a clock that agrees with the server's."""
    value = (value or "").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def pause_before_retry(error: DownloadError) -> float | None:
    """Seconds to wait before the same address is tried again; None: do not.

    Only what may be gone in a moment is tried again: no connection, a broken download, a server
    in trouble. What was refused, or is wrong with the file, stays so.
    """
    if isinstance(error, Truncated) or (isinstance(error, Unreachable) and error.again):
        return random.uniform(*PAUSE)
    if isinstance(error, HttpError):
        asked = error.retry_after
        if error.answered == 429 and asked is None:
            return None
        if error.answered in _OVERLOADED or error.answered == 429:
            return (asked or 0) + random.uniform(*PAUSE) if (asked or 0) <= LONGEST_WAIT else None
    return None


@dataclass
class _Patience:
    refusals: int = 0
    rests_until: float = 0.0


class Hosts:
    """What hosts have answered lately. Threads share it."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Patience] = {}
        self._lock = threading.Lock()

    def ask(self, host: str) -> None:
        """Raises HostTired while the host is left alone."""
        with self._lock:
            known = self._hosts.get(host)
            left = known.rests_until - time.monotonic() if known else 0
        if left > 0:
            raise HostTired(host, left)

    def note(self, host: str, status: int, wait: float | None = None) -> None:
        """Remember an answer. `wait`: seconds out of its `Retry-After`."""
        with self._lock:
            if status not in ENOUGH:
                self._hosts.pop(host, None)
                return
            known = self._hosts.setdefault(host, _Patience())
            known.refusals += 1
            long_wait = status == 429 and (wait or 0) > LONGEST_WAIT
            if long_wait or known.refusals >= ENOUGH[status]:
                rest = min(max(REST, wait or 0), LONGEST_REST)
                self._hosts[host] = _Patience(0, time.monotonic() + rest)
