"""A limit on predictions at once, and on those that wait. Pure.

One thread computes as fast as two would on the same core, and every waiting upload holds its
photo in memory: beyond the limit a quick "try again" is better than a slow answer.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from classifier.errors import TooBusy

RETRY_AFTER_SECONDS = 2


class ConcurrencyLimit:
    """Up to `concurrency` callers at a time; up to `queue` more wait, first come first served.

    Nobody waits while there is a place.
    """

    def __init__(self, concurrency: int, queue: int):
        self.concurrency, self.queue = concurrency, queue
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a place for the block. Raises `TooBusy` at once where the queue is full."""
        admitted = threading.Event()
        with self._lock:
            self.check_place()
            self._waiting.append(admitted)
            self._admit()
        admitted.wait()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._admit()

    def check_place(self) -> None:
        """Raises `TooBusy` where there is no place at this moment; takes none.

        Meant for the moment before a photo is read, when refusing it costs little.
        """
        if self._running >= self.concurrency and len(self._waiting) >= self.queue:
            raise TooBusy(RETRY_AFTER_SECONDS)

    def resize(self, concurrency: int, queue: int) -> None:
        """Change the limits. Callers that run or wait already are kept."""
        with self._lock:
            self.concurrency, self.queue = concurrency, queue
            self._admit()

    def _admit(self) -> None:
        # Places are handed over rather than freed, so that no newcomer can jump the queue.
        while self._waiting and self._running < self.concurrency:
            self._running += 1
            self._waiting.popleft().set()
