"""Time limits of fetches, enforced from outside of blocking socket calls.

A socket's time-out begins anew with every byte, so a server that sends a byte now and then can hold
a read for ever, in the headers as well as in the body. Therefore another thread watches the sockets
in use and shuts down those whose time is over: the read that waits on one ends at once.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

from urllib3.connection import HTTPConnection

from curation.download.errors import DownloadError, Stopped, TooSlow

T = TypeVar("T")

POLL_SECONDS = 0.2  # how late a fetch may be ended


class Deadline:
    """The time limit of one fetch. One thread fetches; the watcher's thread may abort it."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._aborted = threading.Event()
        self._error: DownloadError | None = None
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def remaining(self) -> float:
        """Seconds left, more than 0. Raises what `check` raises."""
        self.check()
        return max(self._ends - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raises TooSlow when the time is over, Stopped when the downloader was closed."""
        if self.has_passed():
            self.abort(TooSlow(self.seconds))
        if self._error:
            raise self._error

    def has_passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._ends

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the deadline. Raises what `check` raises."""
        self._aborted.wait(min(seconds, self.remaining()))
        self.check()

    def watch(self, connection: HTTPConnection) -> None:
        """Let `abort` shut this connection down. Raises what `check` raises.

        The connection's `deadline` becomes this one: that of the fetch which used it last.
        """
        with self._lock:
            connection.deadline = self
            # Kept apart: the connection forgets its socket while an answer still comes in.
            self._connection, self._socket = connection, connection.sock
        self.check()

    def set_read_timeout(self, seconds: float) -> None:
        """Let each further read of the connection wait at most this long for a byte."""
        with self._lock:
            if self._holds_connection() and self._socket.fileno() >= 0:
                self._socket.settimeout(seconds)

    def release(self) -> None:
        """Leave the connection alone from now on: it goes back to the pool."""
        with self._lock:
            self._connection = self._socket = None

    def abort(self, error: DownloadError) -> None:
        """End the fetch with this error; the first one stays."""
        with self._lock:
            self._error = self._error or error
            self._aborted.set()
            if self._holds_connection():
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, which takes the session from under a running read.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _holds_connection(self) -> bool:
        """Whether there is a connection that no other fetch has taken: at the end of a body it
        goes back to the pool by itself, a moment before `release`."""
        return self._connection is not None and self._connection.deadline is self

    def run(self, call: Callable[[], T]) -> T:
        """The result of a call that knows no time-out. Raises what it raises, and as `check`.

        It runs in a thread of its own, which is left behind if the call does not return in time.
        """
        future: Future[T] = Future()

        def set_result() -> None:
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)

        # No executor: it would wait for the thread when the process ends.
        threading.Thread(target=set_result, name="lookup", daemon=True).start()
        while not wait({future}, min(POLL_SECONDS, self.remaining())).done:
            pass
        return future.result()


class DeadlineWatcher:
    """Aborts fetches whose time is over. `close` aborts all of them, and those to come."""

    def __init__(self) -> None:
        self._deadlines: set[Deadline] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="download-watch", daemon=True).start()

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """A deadline that is watched within the block. Raises Stopped after `close`."""
        deadline = Deadline(seconds)
        with self._lock:
            if self._closed.is_set():
                raise Stopped
            self._deadlines.add(deadline)
        try:
            yield deadline
        finally:
            with self._lock:
                self._deadlines.discard(deadline)

    def close(self) -> None:
        """End everything. May be called more than once, and from any thread."""
        with self._lock:
            self._closed.set()
            for deadline in self._deadlines:
                deadline.abort(Stopped())

    def _run(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            with self._lock:
                for deadline in self._deadlines:
                    if deadline.has_passed():
                        deadline.abort(TooSlow(deadline.seconds))
