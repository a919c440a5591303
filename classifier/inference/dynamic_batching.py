"""Compute arrays that arrive from several threads at nearly the same time in one batch. Pure.

For a GPU, which one picture cannot keep busy; not measured on one. On a CPU nothing is batched: the
starter's int8 network took 6.3 ms for each picture, alone and in batches of 8 (AMD EPYC, median of
12).
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

WAIT_SECONDS = 30  # for a device that does not answer


@dataclass(eq=False)
class _Batch:
    calls: list[tuple[np.ndarray, Future]] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)


class Batcher:
    """Collects the calls of several threads into batches. The first caller of a batch waits a
    moment for others, then computes for all of them: no thread of the batcher's own has to be ended
    when its model is dropped.

    `compute`: (n, …) → a tuple of arrays (n, …). `most`: calls in one batch. `seconds`: how long
    the first caller waits for others; while the batch before is computed calls are collected too.
    """

    def __init__(
        self, compute: Callable[[np.ndarray], tuple[np.ndarray, ...]], most: int, seconds: float
    ):
        self._compute, self._most, self._seconds = compute, most, seconds
        self._lock = threading.Lock()
        self._device = threading.Lock()  # held while a batch is computed
        self._open: _Batch | None = None

    def run(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `compute` gives for these rows, which differ in shape in the first axis alone.

        Raises what computing the batch raised, in every thread with rows in it, and TimeoutError
        after WAIT_SECONDS.
        """
        result: Future[tuple[np.ndarray, ...]] = Future()
        with self._lock:
            first = self._open is None
            batch = self._open = self._open or _Batch()
            batch.calls.append((rows, result))
            if len(batch.calls) >= self._most:
                self._open = None
                batch.full.set()
        if first:
            self._compute_batch(batch)
        return result.result(WAIT_SECONDS)

    def _compute_batch(self, batch: _Batch) -> None:
        try:
            batch.full.wait(self._seconds)
            if not self._device.acquire(timeout=WAIT_SECONDS):
                raise TimeoutError("the batch before this one is still being computed")
            try:
                self._close(batch)
                outputs = self._compute(np.concatenate([rows for rows, _ in batch.calls]))
            finally:
                self._device.release()
            ends = np.cumsum([len(rows) for rows, _ in batch.calls])[:-1]
            results = list(zip(*(np.split(output, ends) for output in outputs), strict=True))
        except BaseException as error:  # whatever stops this thread, the others must not wait
            self._close(batch)
            for _, result in batch.calls:
                result.set_exception(error)
        else:
            for (_, result), outputs in zip(batch.calls, results, strict=True):
                result.set_result(outputs)

    def _close(self, batch: _Batch) -> None:
        with self._lock:
            if self._open is batch:
                self._open = None
