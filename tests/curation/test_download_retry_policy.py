"""Second tries, pauses, wishes of sites, hosts that have had enough."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from curation.download import Downloader, DownloadError
from tests.shady import Shady, outcome, picture


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
def test_only_what_may_pass_is_tried_again(shady, patient, path, code, asked):
    before = shady.requests.copy()
    assert outcome(patient, shady.url(path)) == code
    assert (shady.requests - before).total() == asked


@pytest.mark.parametrize(
    "path",
    [
        "flaky/1/a?how=hangup",
        "flaky/1/b?how=truncated",
        "flaky/1/c?how=503",
        "flaky/1/d?how=429&after=1",
    ],
)
def test_a_second_try_may_succeed(shady, patient, path):
    with patient.fetch(shady.url(path)) as fetched:
        assert fetched.read() == picture("end.jpg")


def test_pauses_and_tries_stay_within_the_time(shady):
    with Downloader(shady.limits(tries=1000, seconds=1.0), 1) as downloader:
        assert outcome(downloader, shady.url("hangup")) in ("unreachable", "too-slow")


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (503, True), (500, True), (403, False), (404, False)]
)
def test_another_day_is_worth_a_try_where_the_trouble_may_pass(shady, downloader, status, again):
    with pytest.raises(DownloadError) as refused:
        downloader.fetch(shady.url(f"status/{status}"))
    assert refused.value.again is again


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
def test_the_sites_wish_is_obeyed_where_it_is_meant_for_us(shady, downloader, lines, refused):
    url = shady.url("robots") + "?" + "&".join(f"tag={line}" for line in lines)
    assert outcome(downloader, url) == ("robots" if refused else "fetched")


def test_the_sites_wish_may_be_set_aside_by_the_operator(shady):
    with Downloader(shady.limits(robots=False), 1) as downloader:
        assert outcome(downloader, shady.url("robots", tag="noindex")) == "fetched"


@pytest.mark.parametrize(
    ("trick", "asked"), [("status/429", 3), ("status/429?after=600", 1), ("status/403", 8)]
)
def test_a_host_that_has_had_enough_is_left_alone(shady, patient, trick, asked):
    host = "127.0.0.33"
    before = shady.hosts[host]
    codes = [outcome(patient, shady.url(trick, host)) for _ in range(12)]
    assert codes == ["http-error"] * asked + ["host-tired"] * (12 - asked)
    assert shady.hosts[host] - before == asked
    assert outcome(patient, shady.url("image/1.jpg", host)) == "host-tired"
    assert outcome(patient, shady.url("image/1.jpg", "127.0.0.34")) == "fetched"


def test_refusals_that_do_not_follow_each_other_tire_nobody(shady, patient):
    for _ in range(4):
        assert outcome(patient, shady.url("status/429")) == "http-error"
        assert outcome(patient, shady.url("image/1.jpg")) == "fetched"


def test_connections_are_kept_for_the_next_request():
    with Shady() as shady, Downloader(shady.limits(), 2) as downloader:
        for path in ("image/1.jpg", "status/404", "redirect/2", "empty", "image/2.jpg"):
            outcome(downloader, shady.url(path))
        assert shady.connections == 1


def test_connections_to_many_hosts_are_kept():
    with Shady() as shady, Downloader(shady.limits(), 2) as downloader:
        for host in [*range(1, 31)] * 2:
            assert outcome(downloader, shady.url("image/1.jpg", f"127.0.0.{host}")) == "fetched"
        assert shady.connections == 30


def test_no_more_fetches_run_at_once_than_allowed():
    with Shady() as shady, Downloader(shady.limits(), 2) as downloader:
        urls = [shady.url("image/1.jpg", f"127.0.0.{n}", wait=0.1) for n in range(1, 9)]
        with ThreadPoolExecutor(8) as pool:
            assert {*pool.map(lambda url: outcome(downloader, url), urls)} == {"fetched"}
        assert shady.peak_of_all == 2
