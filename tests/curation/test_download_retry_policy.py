"""Second tries, Retry-After, X-Robots-Tag and pauses of hosts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from curation.download.fetch import Downloader
from curation.download.retry_policy import parse_retry_after
from tests.misbehaving_server import MisbehavingServer, outcome, picture


@pytest.mark.parametrize(
    ("path", "code", "asked"),
    [
        ("length/20000", "truncated", 2),
        ("truncated", "truncated", 2),
        ("truncated-chunks", "truncated", 2),
        ("hangup", "unreachable", 2),
        ("reset", "unreachable", 2),
        ("status/502", "http-error", 2),
        ("status/503", "http-error", 2),
        ("status/504", "http-error", 2),
        ("status/503?after=60", "http-error", 1),
        ("status/429?after=60", "http-error", 1),
        ("status/429", "http-error", 1),
        ("status/403?", "http-error", 1),
        ("status/404?", "http-error", 1),
        ("status/410", "http-error", 1),
        ("status/500?", "http-error", 1),
        ("robots?tag=noai", "robots", 1),
        ("gzip?bytes=10", "encoded", 1),
        ("endless?", "too-large", 1),
        ("empty?", "empty", 1),
    ],
)
def test_only_temporary_failures_are_tried_again(server, patient, path, code, asked):
    before = server.requests.copy()
    assert outcome(patient, server.url(path)) == code
    assert (server.requests - before).total() == asked


@pytest.mark.parametrize(
    "path",
    [
        "flaky/1/a?how=hangup",
        "flaky/1/b?how=truncated",
        "flaky/1/c?how=503",
        "flaky/1/d?how=429&after=1",
    ],
)
def test_a_second_try_may_succeed(server, patient, path):
    with patient.fetch(server.url(path)) as fetched:
        assert fetched.read() == picture("end.jpg")


def test_pauses_and_tries_stay_within_the_time_limit(server):
    with Downloader(server.limits(tries=1000, seconds=1.0), 1) as downloader:
        assert outcome(downloader, server.url("hangup")) in ("unreachable", "too-slow")


def http_date(seconds: float) -> str:
    """The date that many seconds from now, as `Retry-After` has it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), (" 7 ", 7), (None, None), ("", None), ("soon", None), ("-3", None),
     ("inf", None), ("9" * 5000, None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
     ("1 Jan 99999 00:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_read_as_seconds(value, seconds):
    assert parse_retry_after(value) == seconds


def test_retry_after_may_be_a_date():
    assert 280 < parse_retry_after(http_date(300)) <= 300


def test_downloads_honour_a_date_in_retry_after(server, patient):
    soon, later = http_date(2), http_date(60)
    with patient.fetch(server.url("flaky/1/date", how=429, after=soon)) as fetched:
        assert fetched.read() == picture("end.jpg")
    before = server.requests.total()
    assert outcome(patient, server.url("status/429", "127.0.0.55", after=later)) == "http-error"
    assert outcome(patient, server.url("image/1.jpg", "127.0.0.55")) == "host-tired"
    assert server.requests.total() == before + 1


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        (["noindex"], True),
        (["NoAI"], True),
        (["noimageai"], True),
        (["none"], True),
        (["nofollow, noindex"], True),
        (["nofollow", "noai"], True),
        (["*: noindex"], True),
        (["ShoeTypeRecognizer: noindex"], True),
        (["shoetyperecognizer: nofollow, noindex"], True),
        (["otherbot: nofollow, ShoeTypeRecognizer: noindex"], True),
        (["max-snippet: 5, noindex"], True),
        (["unavailable_after: 25 Jun 2027 15:00:00 PST, noindex"], True),
        (["otherbot: noindex"], False),
        (["otherbot: nofollow, noindex"], False),
        (["noindexed"], False),
        (["all"], False),
        (["nofollow, noarchive, max-image-preview: none"], False),
        ([""], False),
    ],
)
def test_x_robots_tag_is_obeyed_where_it_is_for_us(server, downloader, lines, refused):
    url = server.url("robots") + "?" + "&".join(f"tag={line}" for line in lines)
    assert outcome(downloader, url) == ("robots" if refused else "fetched")


def test_x_robots_tag_can_be_ignored_by_setting(server):
    with Downloader(server.limits(robots=False), 1) as downloader:
        assert outcome(downloader, server.url("robots", tag="noindex")) == "fetched"


@pytest.mark.parametrize(
    ("trick", "asked"), [("status/429", 3), ("status/429?after=600", 1), ("status/403", 8)]
)
def test_a_host_is_paused_after_refusals_in_a_row(server, patient, trick, asked):
    host = "127.0.0.33"
    before = server.hosts[host]
    codes = [outcome(patient, server.url(trick, host)) for _ in range(12)]
    assert codes == ["http-error"] * asked + ["host-tired"] * (12 - asked)
    assert server.hosts[host] - before == asked
    assert outcome(patient, server.url("image/1.jpg", host)) == "host-tired"
    assert outcome(patient, server.url("image/1.jpg", "127.0.0.34")) == "fetched"


def test_refusals_that_are_not_in_a_row_pause_no_host(server, patient):
    for _ in range(4):
        assert outcome(patient, server.url("status/429")) == "http-error"
        assert outcome(patient, server.url("image/1.jpg")) == "fetched"


def test_connections_are_kept_for_the_next_request():
    with MisbehavingServer() as server, Downloader(server.limits(), 2) as downloader:
        for path in ("image/1.jpg", "status/404", "redirect/2", "empty", "image/2.jpg"):
            outcome(downloader, server.url(path))
        assert server.connections == 1


def test_connections_to_many_hosts_are_kept():
    with MisbehavingServer() as server, Downloader(server.limits(), 2) as downloader:
        for host in [*range(1, 31)] * 2:
            assert outcome(downloader, server.url("image/1.jpg", f"127.0.0.{host}")) == "fetched"
        assert server.connections == 30


def test_no_more_fetches_run_at_once_than_allowed():
    with MisbehavingServer() as server, Downloader(server.limits(), 2) as downloader:
        urls = [server.url("image/1.jpg", f"127.0.0.{n}", wait=0.1) for n in range(1, 9)]
        with ThreadPoolExecutor(8) as pool:
            assert {*pool.map(lambda url: outcome(downloader, url), urls)} == {"fetched"}
        assert server.peak_of_all == 2
