"""Arrays that come from several threads within moments are computed in one go. Pure.

For a GPU, which one picture cannot keep busy; not measured on one. A CPU's thread is busy with one
picture: the starter's int8 network took 6.3 ms of it for each, alone and in batches of 8 (AMD
EPYC, median of 12), so there nothing is batched.
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
    """Gathers what threads bring. The first to come waits a moment for others, then computes for
    all of them: there is no thread of its own that a model would leave behind when it goes.

    `compute`: (n, …) → a tuple of arrays (n, …). `most`: calls in one batch. `seconds`: how long
    the first waits for others; while the batch before is computed they gather without that too.
    """

    def __init__(
        self, compute: Callable[[np.ndarray], tuple[np.ndarray, ...]], most: int, seconds: float
    ):
        self._compute, self._most, self._seconds = compute, most, seconds
        self._lock = threading.Lock()
        self._device = threading.Lock()  # held while a batch is computed
        self._gathering: _Batch | None = None

    def run(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `compute` gives for these rows, all of one shape but for the first axis.

        Raises whatever computing the batch raised, in every thread that had a share in it, and
        TimeoutError after WAIT_SECONDS.
        """
        result = Future()
        with self._lock:
            leads = self._gathering is None
            batch = self._gathering = self._gathering or _Batch()
            batch.calls.append((rows, result))
            if len(batch.calls) >= self._most:
                self._gathering = None
                batch.full.set()
        if leads:
            self._lead(batch)
        return result.result(WAIT_SECONDS)

    def _lead(self, batch: _Batch) -> None:
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
            shares = list(zip(*(np.split(output, ends) for output in outputs), strict=True))
        except BaseException as error:  # whatever stops the leader, nobody waits for it
            self._close(batch)
            for _, result in batch.calls:
                result.set_exception(error)
            return
        for (_, result), share in zip(batch.calls, shares, strict=True):
            result.set_result(share)

    def _close(self, batch: _Batch) -> None:
        with self._lock:
            if self._gathering is batch:
                self._gathering = None
