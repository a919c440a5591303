"""Work on many items in threads, a few at a time for each host, with the results in order."""

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

IDLE_SECONDS = 1.0


def map_per_host(
    items: Iterable[T],
    work: Callable[[T], R],
    *,
    host: Callable[[T], str],
    workers: int,
    per_host: int,
    window: int,
    idle: Callable[[], None] = lambda: None,
    stop: Callable[[], None] | None = None,
) -> Iterator[tuple[T, R | Exception]]:
    """Yield each item with `work(item)`, or with the Exception it raised, in the items' order.

    `work` runs in at most `workers` threads, at most `per_host` at a time for one `host(item)`.
    At most `window` items are taken and not yet yielded, so a slow host holds up others only when
    the window is full of it. `items` and `host` are called in the caller's thread alone. When
    `items` raises, that comes after the results of the items before. A BaseException of `work`
    that is no Exception is raised at once.

    `idle` is called at least every second while the caller waits; what it raises ends all.
    Closing the generator waits for the work under way: `stop` is called first and should make
    that short. Results that were not yielded are closed, if they have a `close`.
    """
    threads = _HostThreads(work, workers, per_host)
    tasks: deque[_Task] = deque()
    remaining: Iterator[T] | None = iter(items)
    error = None
    try:
        while True:
            while remaining is not None and len(tasks) < window:
                try:
                    item = next(remaining)
                except StopIteration:
                    remaining = None
                except Exception as failure:
                    remaining, error = None, failure
                else:
                    tasks.append(threads.submit(item, host(item)))
            if not tasks:
                break
            threads.wait_for(tasks[0], idle)
            task = tasks.popleft()
            yield task.item, task.future.exception() or task.future.result()
        if error:
            raise error
    finally:
        threads.close(stop)
        for task in tasks:
            if task.future.done() and not task.future.exception():
                with contextlib.suppress(AttributeError):
                    task.future.result().close()


@dataclass(eq=False)
class _Task:
    item: Any
    host: str
    future: Future = field(default_factory=Future)


class _HostThreads:
    """Threads that work on tasks in their order, at most `per_host` of one host at a time."""

    def __init__(self, work: Callable, workers: int, per_host: int):
        self._work, self._workers, self._per_host = work, workers, per_host
        self._executor = ThreadPoolExecutor(workers)
        self._waiting: list[_Task] = []  # in order, not begun
        self._running: Counter[str] = Counter()  # host → tasks
        self._lock = threading.Lock()
        self._fatal: Future = Future()  # holds the first BaseException that is no Exception

    def submit(self, item: Any, host: str) -> _Task:
        task = _Task(item, host)
        with self._lock:
            self._waiting.append(task)
            self._start_waiting()
        return task

    def wait_for(self, task: _Task, idle: Callable[[], None]) -> None:
        """Return once the task is done. Raises a BaseException of any task."""
        either = {task.future, self._fatal}
        while not wait(either, IDLE_SECONDS, FIRST_COMPLETED).done:
            idle()
        if self._fatal.done():
            self._fatal.result()

    def close(self, stop: Callable[[], None] | None) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._lock:
            self._waiting.clear()
            under_way = self._running.total() > 0
        if stop and under_way:
            stop()
        self._executor.shutdown()

    def _start_waiting(self) -> None:
        for task in list(self._waiting):
            if self._running.total() == self._workers:
                return
            if self._running[task.host] < self._per_host:
                self._waiting.remove(task)
                self._running[task.host] += 1
                self._executor.submit(self._run, task)

    def _run(self, task: _Task) -> None:
        result = error = None
        try:
            result = self._work(task.item)
        except BaseException as failure:
            error = failure
        with self._lock:
            self._running[task.host] -= 1
            self._start_waiting()
            if error and not isinstance(error, Exception) and not self._fatal.done():
                self._fatal.set_exception(error)
        if error:
            task.future.set_exception(error)
        else:
            task.future.set_result(result)
