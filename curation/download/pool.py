"""Work on many items in threads, a few at a time for each host, with the results in order."""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
            yield task.item, task.result
        if error:
            raise error
    finally:
        threads.close(stop)
        for task in tasks:
            with contextlib.suppress(AttributeError):
                task.result.close()


@dataclass(eq=False)
class _Task:
    item: Any
    host: str
    result: Any = None
    done: bool = False


class _HostThreads:
    """Threads that work on tasks in their order, at most `per_host` of one host at a time."""

    def __init__(self, work: Callable, workers: int, per_host: int):
        self._work = work
        self._per_host = per_host
        self._waiting: list[_Task] = []  # in order, not begun
        self._running: Counter[str] = Counter()  # host → tasks
        self._change = threading.Condition()
        self._fatal: BaseException | None = None
        self._closing = False
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, item: Any, host: str) -> _Task:
        task = _Task(item, host)
        with self._change:
            self._waiting.append(task)
            self._change.notify_all()
        return task

    def wait_for(self, task: _Task, idle: Callable[[], None]) -> None:
        """Return once the task is done. Raises a BaseException of any task."""
        called = time.monotonic()
        while True:
            with self._change:
                if not (self._fatal or task.done):
                    self._change.wait(max(0, called + IDLE_SECONDS - time.monotonic()))
                if self._fatal:
                    raise self._fatal
                if task.done:
                    return
            if time.monotonic() >= called + IDLE_SECONDS:
                called = time.monotonic()
                idle()

    def close(self, stop: Callable[[], None] | None) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._change:
            self._closing = True
            self._waiting.clear()
            under_way = any(self._running.values())
            self._change.notify_all()
        if stop and under_way:
            stop()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while task := self._next():
            try:
                task.result = self._work(task.item)
            except Exception as error:
                task.result = error
            except BaseException as error:
                self._fatal = error
            with self._change:
                task.done = True
                self._running[task.host] -= 1
                self._change.notify_all()

    def _next(self) -> _Task | None:
        """The first task whose host may have another one, once there is one; None after close."""
        with self._change:
            while not self._closing:
                for task in self._waiting:
                    if self._running[task.host] < self._per_host:
                        self._waiting.remove(task)
                        self._running[task.host] += 1
                        return task
                self._change.wait()
        return None
