"""Work on many items in threads, with progress, and ended when nobody wants more. Pure."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    work: Callable[[T], R],
    items: Iterable[T],
    tick: Callable[[int], None] = lambda done: None,
    threads: int | None = None,
) -> Iterator[R]:
    """Yield `work(item)` for each item, in the items' order.

    `threads`: how many at a time, by default one for each core. `tick(done)` is called after each
    result was taken. What `work` or `tick` raises ends it, as closing the generator does: what has
    not begun is not begun any more, and what has is waited for.
    """
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        try:
            for done, result in enumerate(pool.map(work, items), 1):
                yield result
                tick(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
