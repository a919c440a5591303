"""Work in threads: order, progress, and what is cancelled."""

import threading

import pytest

from shoeproject.parallel import map_in_threads


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first():
    second_is_done = threading.Event()

    def work(item):
        if item == 1:
            assert second_is_done.wait(5)
        else:
            second_is_done.set()
        return 10 * item

    assert list(map_in_threads(work, [1, 2], threads=2)) == [10, 20]


def test_progress_counts_the_results_that_were_taken():
    ticks = []
    results = map_in_threads(str, range(3), ticks.append)
    assert next(results) == "0"
    assert ticks == []
    assert next(results) == "1"
    assert ticks == [1]
    assert list(results) == ["2"]
    assert ticks == [1, 2, 3]


class Held:
    """Work of which the first item waits until it is let go; `begun` lists what has started."""

    def __init__(self):
        self.begun, self.started, self.let_go = [], threading.Event(), threading.Event()

    def __call__(self, item):
        self.begun.append(item)
        if item == 1:
            self.started.set()
            assert self.let_go.wait(5)
        return item


def test_what_has_not_begun_is_cancelled_when_progress_raises():
    held = Held()

    def stop(done):
        assert held.started.wait(5)
        threading.Timer(0.2, held.let_go.set).start()
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(map_in_threads(held, range(100), stop, threads=1))
    assert held.begun == [0, 1]


def test_what_has_not_begun_is_cancelled_when_the_caller_stops():
    held = Held()
    results = map_in_threads(held, range(100), threads=1)
    assert next(results) == 0
    assert held.started.wait(5)
    threading.Timer(0.2, held.let_go.set).start()
    results.close()
    assert held.begun == [0, 1]


def test_an_error_of_the_work_is_raised_and_cancels_the_rest():
    held = Held()

    def work(item):
        if item == 0:
            raise ZeroDivisionError
        return held(item)

    threading.Timer(0.3, held.let_go.set).start()
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(work, range(100), threads=1))
    assert len(held.begun) <= 1
