"""Work on many items at once, in threads, with the results in the order of the items."""

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


def ahead(
    items: Iterable[T],
    work: Callable[[T], R],
    *,
    host: Callable[[T], str],
    workers: int,
    per_host: int,
    window: int,
    idle: Callable[[], None] | None = None,
    stop: Callable[[], None] | None = None,
) -> Iterator[tuple[T, R | Exception]]:
    """Yield each item with `work(item)`, or with the Exception it raised, in the items' order.

    `work` runs in at most `workers` threads, at most `per_host` at a time for what `host` says.
    At most `window` items are taken and not yet handed out, so a slow host holds up others only
    when the window is full of it. `items` and `host` are asked in the caller's thread alone, and
    when `items` raises, that comes after the results of what it gave before. A BaseException of
    `work` that is no Exception is raised at once.

    `idle` is called at least every second while the caller waits; what it raises ends all.
    Closing the generator waits for the work under way: `stop` is called first and should make
    that short. Results that nobody took are closed, if they have a `close`.
    """
    crew = _Crew(work, per_host)
    source = _Source(items)
    try:
        crew.start(workers)
        while True:
            while len(crew.taken) < window and source.more():
                item = source.take()
                crew.add(_Slot(item, host(item)))
            if not crew.taken:
                break
            crew.wait_for_first(idle)
            slot = crew.taken.popleft()
            yield slot.item, slot.result
        if source.error:
            raise source.error
    finally:
        crew.close(stop)


class _Source:
    """The items one by one; an error of theirs is kept until it is due."""

    def __init__(self, items: Iterable):
        self._items = iter(items)
        self._next: list = []
        self.error: Exception | None = None
        self._ended = False

    def more(self) -> bool:
        if not self._next and not self._ended:
            try:
                self._next.append(next(self._items))
            except StopIteration:
                self._ended = True
            except Exception as error:
                self._ended, self.error = True, error
        return bool(self._next)

    def take(self):
        return self._next.pop()


@dataclass(eq=False)
class _Slot:
    item: Any
    host: str
    result: Any = None
    done: bool = False


class _Crew:
    """The threads, what they may begin and what they have done."""

    def __init__(self, work: Callable, per_host: int):
        self.taken: deque[_Slot] = deque()  # in order, the caller's alone
        self._work = work
        self._per_host = per_host
        self._waiting: list[_Slot] = []  # in order, not begun
        self._busy: Counter[str] = Counter()
        self._change = threading.Condition()
        self._fatal: BaseException | None = None
        self._closing = False
        self._threads: list[threading.Thread] = []

    def start(self, workers: int) -> None:
        for number in range(workers):
            thread = threading.Thread(target=self._run, name=f"ahead-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def add(self, slot: _Slot) -> None:
        self.taken.append(slot)
        with self._change:
            self._waiting.append(slot)
            self._change.notify_all()

    def wait_for_first(self, idle: Callable[[], None] | None) -> None:
        """Until the first one taken is done. Raises what nobody should catch in a thread."""
        called = time.monotonic()
        while True:
            with self._change:
                if not (self._fatal or self.taken[0].done):
                    self._change.wait(max(0, called + IDLE_SECONDS - time.monotonic()))
                if self._fatal:
                    raise self._fatal
                if self.taken[0].done:
                    return
            if idle and time.monotonic() - called >= IDLE_SECONDS:
                called = time.monotonic()
                idle()

    def close(self, stop: Callable[[], None] | None) -> None:
        with self._change:
            self._closing = True
            self._waiting.clear()
            under_way = any(self._busy.values())
            self._change.notify_all()
        if stop and under_way:
            stop()
        for thread in self._threads:
            thread.join()
        for slot in self.taken:
            with contextlib.suppress(AttributeError):
                slot.result.close()

    def _run(self) -> None:
        while slot := self._begin():
            try:
                slot.result = self._work(slot.item)
            except Exception as error:
                slot.result = error
            except BaseException as error:
                self._fatal = error
            with self._change:
                slot.done = True
                self._busy[slot.host] -= 1
                if not self._busy[slot.host]:
                    del self._busy[slot.host]
                self._change.notify_all()

    def _begin(self) -> _Slot | None:
        """The first slot whose host has room, when there is one; None: go home."""
        with self._change:
            while not self._closing:
                for slot in self._waiting:
                    if self._busy[slot.host] < self._per_host:
                        self._waiting.remove(slot)
                        self._busy[slot.host] += 1
                        return slot
                self._change.wait()
        return None
