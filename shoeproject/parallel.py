"""Map a function over items in threads, with progress and cancellation. Pure."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    work: Callable[[T], R],
    items: Iterable[T],
    tick: Callable[[int], object] = lambda done: None,
    threads: int | None = None,
) -> Iterator[R]:
    """Yield `work(item)` for each item, in the items' order.

    `threads` run at a time, by default one per core. `tick(done)` is called after each result has
    been consumed. An error in `work` or `tick`, or closing the generator, cancels the items that
    have not started and waits for those that have.
    """
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        try:
            for done, result in enumerate(pool.map(work, items), 1):
                yield result
                tick(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
