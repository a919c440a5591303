"""map_per_host: results in order, within the limits, and nothing left running."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from curation.download.errors import DownloadError, Stopped
from curation.download.fetch import Downloader
from curation.download.pool import map_per_host
from tests.misbehaving_server import SOON, MisbehavingServer, picture


def run(items, work, **changes):
    usual = {"host": lambda item: "one", "workers": 4, "per_host": 4, "window": 8}
    return map_per_host(items, work, **usual | changes)


class Gate:
    """Work that waits for its turn: `open(item)` lets it go on. Knows what has begun."""

    def __init__(self):
        self._opened, self.begun, self._change = set(), [], threading.Condition()
        self.now = self.peak = 0

    def open(self, *items):
        with self._change:
            self._opened |= {*items}
            self._change.notify_all()

    def __call__(self, item):
        with self._change:
            self.begun.append(item)
            self.now += 1
            self.peak = max(self.peak, self.now)
            self._change.notify_all()
            assert self._change.wait_for(lambda: item in self._opened, SOON)
            self.now -= 1
        return item * 10

    def wait_until_begun(self, *items):
        with self._change:
            assert self._change.wait_for(lambda: {*items} <= {*self.begun}, SOON), self.begun


def in_thread(generator):
    """The generator's results, in a list that fills up while it runs in another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.extend(iter(generator)), daemon=True)
    thread.start()
    return results, thread


def test_results_come_in_the_order_of_the_items():
    gate = Gate()
    results, thread = in_thread(run(range(4), gate))
    gate.wait_until_begun(0, 1, 2, 3)
    for item in (3, 1, 2, 0):
        gate.open(item)
    thread.join(SOON)
    assert results == [(0, 0), (1, 10), (2, 20), (3, 30)]


def test_no_items_give_no_results():
    assert list(run([], str)) == []


@pytest.mark.parametrize(("workers", "per_host", "peak"), [(3, 9, 3), (9, 2, 2), (1, 1, 1)])
def test_no_more_work_at_once_than_allowed(workers, per_host, peak):
    gate = Gate()
    results, thread = in_thread(run(range(12), gate, workers=workers, per_host=per_host, window=12))
    gate.wait_until_begun(*range(peak))
    assert gate.now == peak
    gate.open(*range(12))
    thread.join(SOON)
    assert gate.peak == peak
    assert len(results) == 12


def test_a_slow_host_does_not_hold_up_the_others():
    gate = Gate()
    items = [0, 2, 4, 6, 1, 3, 5, 7]  # the even ones are of the slow host
    results, thread = in_thread(
        run(items, gate, host=lambda item: str(item % 2), per_host=1, workers=2)
    )
    gate.open(1, 3, 5)
    gate.wait_until_begun(0, 1, 3, 5, 7)
    assert 2 not in gate.begun
    gate.open(*items)
    thread.join(SOON)
    assert [item for item, _ in results] == items


def test_items_are_taken_only_as_far_as_the_window_and_in_the_callers_thread():
    taken, threads = [], set()

    def items():
        for item in range(100):
            taken.append(item)
            threads.add(threading.get_ident())
            yield item

    results = run(items(), str, window=5)
    assert next(results) == (0, "0")
    assert len(taken) == 5
    assert next(results) == (1, "1")
    assert len(taken) == 6
    results.close()
    assert threads == {threading.get_ident()}


def test_nothing_starts_before_the_first_result_is_requested():
    begun = []
    results = run(range(3), begun.append)
    results.close()
    assert begun == []


def test_an_exception_is_yielded_in_place_of_the_result():
    def work(item):
        return 10 // item

    (_, first), (_, second), (_, third) = run([5, 0, 2], work)
    assert (first, third) == (2, 5)
    assert isinstance(second, ZeroDivisionError)


def test_a_base_exception_is_raised():
    def work(item):
        if item == 2:
            raise SystemExit(3)
        return item

    with pytest.raises(SystemExit):
        list(run(range(5), work))


def test_an_error_of_the_items_comes_after_the_results_before_it():
    def items():
        yield from (1, 2, 3)
        raise LookupError("dry")

    results = []
    with pytest.raises(LookupError):
        for result in run(items(), str):
            results.append(result)
    assert results == [(1, "1"), (2, "2"), (3, "3")]


def test_idle_is_called_while_the_caller_waits():
    gate, heard = Gate(), []

    def idle():
        heard.append(threading.get_ident())
        if len(heard) == 2:
            gate.open(0)

    assert list(run([0], gate, idle=idle)) == [(0, 0)]
    assert heard == [threading.get_ident()] * 2


def test_an_error_while_idle_ends_all():
    gate, stopped = Gate(), []

    def idle():
        raise InterruptedError

    def stop():
        stopped.append(True)
        gate.open(*range(9))

    with pytest.raises(InterruptedError):
        list(run(range(9), gate, idle=idle, stop=stop))
    assert stopped == [True]


def test_closing_begins_nothing_new_and_leaves_no_thread():
    gate, before = Gate(), {*threading.enumerate()}
    gate.open(0)
    results = run(range(50), gate, workers=3, window=20, stop=lambda: gate.open(*range(50)))
    assert next(results) == (0, 0)
    gate.wait_until_begun(1, 2, 3)
    results.close()
    assert {*gate.begun} == {0, 1, 2, 3}
    assert {*threading.enumerate()} <= before


def test_results_that_were_not_yielded_are_closed():
    class Result:
        def __init__(self, item):
            made.append(self)
            self.closed = False
            if len(made) == 8:
                all_made.set()

        def close(self):
            self.closed = True

    made, all_made = [], threading.Event()
    results = run(range(8), Result)
    _, first = next(results)
    assert all_made.wait(SOON)
    results.close()
    assert not first.closed
    assert [result for result in made if not result.closed] == [first]


def test_pictures_of_many_hosts_come_in_order_with_few_requests_per_host():
    with MisbehavingServer() as server, Downloader(server.limits(), 12) as downloader:
        urls = [server.url(f"image/{n}.jpg", f"127.0.0.{n % 6 + 1}", wait=0.02) for n in range(90)]
        urls[40] = server.url("status/404", "127.0.0.3")
        got = map_per_host(
            urls,
            downloader.fetch,
            host=lambda url: url.split("/")[2],
            workers=12,
            per_host=2,
            window=30,
            stop=downloader.close,
        )
        for number, (url, fetched) in enumerate(got):
            assert url == urls[number]
            if number == 40:
                assert isinstance(fetched, DownloadError) and fetched.code == "http-error"
                continue
            with fetched:
                assert fetched.read() == picture(f"{number}.jpg")
        assert set(server.peak.values()) == {2}
        assert server.connections <= 6 * 2 + 1


def test_closing_ends_fetches_under_way():
    with MisbehavingServer() as server, Downloader(server.limits(seconds=600), 4) as downloader:
        urls = [
            server.url("image/1.jpg"),
            *[server.url("drip-headers", f"127.0.0.{n}") for n in (2, 3)],
        ]
        got = map_per_host(
            urls, downloader.fetch, host=lambda url: url, workers=4, per_host=1, window=9,
            stop=downloader.close,
        )  # fmt: skip
        _, fetched = next(got)
        fetched.close()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(got.close).result(timeout=SOON)
        with pytest.raises(Stopped):
            downloader.fetch(urls[0])
