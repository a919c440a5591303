"""The end of one fetch: its time is over, or somebody closes the downloader.

A socket's time-out begins anew with every byte, so a server that drips can hold a read for ever,
in the headers as well as in the body. So the sockets in use are watched from another thread,
which shuts down those whose time is over: the read that waits on one ends at once.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from curation.download.errors import DownloadError, Stopped, TooSlow

T = TypeVar("T")

TICK = 0.2  # seconds: how late the watch may be


class Attended(Protocol):
    """A connection, and the clock of whoever had it last."""

    sock: socket.socket
    clock: "Clock | None"


class Clock:
    """What is left of the time of one fetch. One thread fetches; the watch may cut it off."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._error: DownloadError | None = None
        self._connection: Attended | None = None
        self._socket: socket.socket | None = None

    def left(self) -> float:
        """Seconds, more than 0. Raises what `check` raises."""
        self.check()
        return max(self._ends - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raises TooSlow when the time is over, Stopped when the downloader was closed."""
        if self.is_over():
            self.cut(TooSlow(self.seconds))
        if self._error:
            raise self._error

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than there is time. Raises what `check` raises."""
        self._ended.wait(min(seconds, self.left()))
        self.check()

    def attend(self, connection: "Attended") -> None:
        """From now on an end of time ends this connection. Raises if it has come already."""
        with self._lock:
            connection.clock = self
            # Kept apart: the connection forgets its socket while an answer still comes in.
            self._connection, self._socket = connection, connection.sock
        if self._error:
            raise self._error

    def hurry(self, seconds: float) -> None:
        """Let the reads to come wait no longer than this for a byte."""
        with self._lock:
            if self._is_ours() and self._socket.fileno() >= 0:
                self._socket.settimeout(seconds)

    def release(self) -> None:
        """The connection goes back to the pool and must not be touched any more."""
        with self._lock:
            self._connection = self._socket = None

    def cut(self, error: DownloadError) -> None:
        """End the fetch with this error; the first one stays."""
        with self._lock:
            self._error = self._error or error
            self._ended.set()
            if self._is_ours():
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, which takes the session from under a running read.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _is_ours(self) -> bool:
        """Whether there is a connection, and nobody else has it: at the end of a body it goes
        back to the pool by itself, a moment before `release`."""
        return self._connection is not None and self._connection.clock is self

    def within(self, call: Callable[[], T]) -> T:
        """The result of a call that knows no time-out. Raises what it raises, and as `check`.

        It runs in a thread of its own, which is left behind if the call does not return in time.
        """
        answers: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                answers.put((call(), None))
            except Exception as error:
                answers.put((None, error))

        threading.Thread(target=run, name="lookup", daemon=True).start()
        while True:
            try:
                answer, error = answers.get(timeout=min(TICK, self.left()))
            except Empty:
                continue
            if error:
                raise error
            return answer


class Watch:
    """Cuts off the clocks that run out. `close` cuts off all of them, and those to come."""

    def __init__(self) -> None:
        self._clocks: set[Clock] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="download-watch", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def over(self, seconds: float) -> Iterator[Clock]:
        """A clock that is watched. Raises Stopped after `close`."""
        clock = Clock(seconds)
        with self._lock:
            if self._closed.is_set():
                raise Stopped
            self._clocks.add(clock)
        try:
            yield clock
        finally:
            with self._lock:
                self._clocks.discard(clock)

    def close(self) -> None:
        """End everything. May be called more than once, and from any thread."""
        with self._lock:
            self._closed.set()
            clocks = list(self._clocks)
        for clock in clocks:
            clock.cut(Stopped())

    def _run(self) -> None:
        while not self._closed.wait(TICK):
            with self._lock:
                late = [clock for clock in self._clocks if clock.is_over()]
            for clock in late:
                clock.cut(TooSlow(clock.seconds))
