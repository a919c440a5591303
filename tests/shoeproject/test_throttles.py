"""Rate limits: counting over processes, response headers, and the address of a client."""

import logging
import subprocess
import sys
import threading

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client, RequestFactory

from classifier.access import tokens
from classifier.registry import serving
from shoeproject.api import optional_cache, rates, throttles
from shoeproject.api.client_address import client_address, client_network
from tests import tiny_model
from tests.caches import at, dead_cache, real_cache, valkey  # noqa: F401  (fixtures)
from tests.drawing import encoded, shoe

pytestmark = pytest.mark.django_db
ROOT = settings.BASE_DIR
TYPES, PREDICTIONS = "/api/v1/types/", "/api/v1/predictions/"


@pytest.fixture
def few(settings):
    """A day's rates, so that no test meets the end of a stretch of time."""
    settings.THROTTLE_RATES = {
        "read": ("3/day", "5/day"), "predict": ("2/day", "4/day"), "write": ("2/day", "3/day"),
        "feedback": ("2/day", "3/day"),
    }  # fmt: skip


@pytest.fixture
def token(member):
    made = tokens.make(member("Curator"), "t", ["guide", "predict"], tokens.default_end())
    return {"HTTP_AUTHORIZATION": f"Bearer {made.secret}"}


def statuses(client, number, address=TYPES, **extra):
    return [client.get(address, **extra).status_code for _ in range(number)]


# --- counting ---------------------------------------------------------------------------------


def test_what_is_over_the_rate_is_refused():
    spent = [rates.hit("read", "me", 3, 60, now=600) for _ in range(5)]
    assert [s.allowed for s in spent] == [True, True, True, False, False]
    assert [s.remaining for s in spent] == [2, 1, 0, 0, 0]


def test_clients_and_scopes_are_counted_apart():
    assert rates.hit("read", "a", 1, 60, now=0).allowed
    assert rates.hit("read", "b", 1, 60, now=0).allowed
    assert rates.hit("write", "a", 1, 60, now=0).allowed
    assert not rates.hit("read", "a", 1, 60, now=0).allowed


def test_window_slides():
    for _ in range(10):
        rates.hit("read", "me", 10, 60, now=59)
    # A quarter of the next minute later, three quarters of the last one still count: 7 of 10.
    allowed = [rates.hit("read", "me", 10, 60, now=75).allowed for _ in range(4)]
    assert allowed == [True, True, True, False]
    assert rates.hit("read", "me", 10, 60, now=180).remaining == 9


@pytest.mark.parametrize("limit", [1, 3, 10])
@pytest.mark.parametrize("now", [0, 17, 59.5])
def test_a_request_after_the_stated_wait_is_allowed(limit, now):
    for _ in range(limit):
        rates.hit("read", "me", limit, 60, now=now)
    refused = rates.hit("read", "me", limit, 60, now=now)
    assert not refused.allowed
    assert 1 <= refused.reset <= 61
    again = rates.hit("read", "me", limit, 60, now=now + refused.reset)
    assert again.allowed


def test_refusals_do_not_lengthen_the_wait():
    for _ in range(50):
        last = rates.hit("read", "me", 2, 60, now=10)
    assert last.reset == 51
    assert rates.hit("read", "me", 2, 60, now=61).allowed


def test_threads_together_get_no_more_than_the_rate(real_cache):  # noqa: F811
    allowed, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        allowed.extend(rates.hit("read", "me", 50, 86400).allowed for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (allowed.count(True), len(allowed)) == (50, 160)


def test_processes_share_their_counts(real_cache, valkey):  # noqa: F811
    code = (
        "import django; from django.conf import settings\n"
        f"settings.configure(CACHES={at(valkey)!r})\n"
        "django.setup()\n"
        "from shoeproject.api import rates\n"
        "print(sum(rates.hit('read', 'me', 30, 86400).allowed for _ in range(20)))"
    )
    command = [sys.executable, "-c", code]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    assert sum(int(process.communicate()[0]) for process in running) == 30


def test_counters_go_away_by_themselves(real_cache):  # noqa: F811
    rates.hit("read", "me", 3, 60)
    (key,) = real_cache.keys("*rate:*")
    assert 60 < real_cache.ttl(key) <= 121


def test_no_address_is_kept(client, few, real_cache):  # noqa: F811
    client.get(TYPES, REMOTE_ADDR="192.0.2.77")
    keys = real_cache.keys("*")
    assert len(keys) == 1
    assert b"192.0.2.77" not in keys[0]


# --- the API ----------------------------------------------------------------------------------


def test_too_many_requests_are_a_problem_with_the_time_to_wait(client, few):
    assert statuses(client, 4) == [200, 200, 200, 429]
    response = client.get(TYPES)
    problem = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert problem["code"] == "throttled"
    assert problem["detail"] == (
        f"Too many requests; try again in {response['Retry-After']} seconds."
    )
    assert 0 < int(response["Retry-After"]) <= 86401


def test_every_counted_response_states_what_is_left(client, few):
    response = client.get(TYPES)
    assert response["RateLimit-Policy"] == '"read";q=3;w=86400'
    reset = response["RateLimit-Reset"]
    assert response["RateLimit"] == f'"read";r=2;t={reset}'
    assert (response["RateLimit-Limit"], response["RateLimit-Remaining"]) == ("3", "2")
    assert 0 < int(reset) <= 86400
    assert client.get("/api/v1/types/nothing/")["RateLimit-Remaining"] == "1"
    client.get(TYPES)
    assert client.get(TYPES)["RateLimit-Remaining"] == "0"


def test_a_page_that_is_not_counted_says_nothing(client, few):
    assert "RateLimit-Limit" not in client.get("/guide/")


def test_a_token_has_a_rate_of_its_own(client, few, token):
    assert statuses(client, 4) == [200, 200, 200, 429]
    assert statuses(client, 6, **token) == [200] * 5 + [429]


def test_an_account_is_counted_wherever_it_comes_from(client, few, member):
    client.force_login(member("Operator"))
    found = [
        client.get("/api/v1/images/", REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(6)
    ]
    assert found == [200] * 5 + [429]


def test_no_rate_is_no_limit(client, few, settings):
    settings.THROTTLE_RATES["read"] = ("", "")
    response = [client.get(TYPES) for _ in range(5)][-1]
    assert response.status_code == 200
    assert "RateLimit-Limit" not in response


def test_page_and_api_share_the_rate_of_photos(client, few, tmp_path):
    tiny_model.activate(tmp_path / "version")
    data = encoded(shoe())
    assert client.post(PREDICTIONS, {"image": SimpleUploadedFile("a", data)}).status_code == 200
    assert client.post("/", {"image": SimpleUploadedFile("a", data)}).status_code == 200
    page = client.post("/", {"image": SimpleUploadedFile("a", data)})
    assert page.status_code == 429
    assert "Too many requests; try again in" in page.content.decode()
    assert int(page["Retry-After"]) > 0
    assert client.post(PREDICTIONS, {"image": SimpleUploadedFile("a", data)}).status_code == 429
    assert client.get("/").status_code == 200
    serving.forget()


def test_requests_at_the_same_time_get_no_more_than_the_rate(few, real_cache, settings):  # noqa: F811
    settings.THROTTLE_RATES["read"] = ("5/day", "5/day")
    found, start = [], threading.Barrier(2)

    def ask():
        start.wait()
        # Refused before any view, so no thread needs the test's database.
        found.extend(statuses(Client(), 5, "/api/v1/docs/"))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] * 5 + [429] * 5


# --- a cache that is down ---------------------------------------------------------------------


def test_without_a_cache_requests_are_allowed_and_it_is_logged(client, few, dead_cache, caplog):  # noqa: F811
    with caplog.at_level(logging.ERROR, optional_cache.logger.name):
        assert statuses(client, 6) == [200] * 6
    logged = [r.getMessage() for r in caplog.records if r.name == optional_cache.logger.name]
    assert len(logged) == 1
    assert "requests are not counted" in logged[0]
    response = client.get(TYPES)
    assert response["X-RateLimit-Status"] == "not counted"
    assert "RateLimit-Limit" not in response
    assert client.get("/health/").json()["cache"] == "unreachable"


def test_a_cache_that_failed_is_left_alone_for_a_moment(few, dead_cache, settings):  # noqa: F811
    settings.CACHE_RETRY_SECONDS = 3600
    assert optional_cache.call_or_default(lambda: cache.get("x"), "x", default="down") == "down"

    def must_not_run():
        raise AssertionError("the cache was asked")

    assert optional_cache.call_or_default(must_not_run, "x", default="down") == "down"


def test_a_cache_that_is_back_counts_again(client, few, dead_cache, settings, valkey):  # noqa: F811
    settings.CACHE_RETRY_SECONDS = 0
    assert statuses(client, 5) == [200] * 5
    settings.CACHES = at(valkey)
    cache.clear()
    assert statuses(client, 5) == [200, 200, 200, 429, 429]


# --- the address of a client ------------------------------------------------------------------


def seen(remote, forwarded=None, proxies=(), settings=None):
    settings.TRUSTED_PROXIES = list(proxies)
    extra = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=remote, **extra))


@pytest.mark.parametrize(
    "remote, forwarded, proxies, client",
    [
        # No proxy is trusted: whatever is claimed counts nothing.
        ("192.0.2.1", "203.0.113.9", [], "192.0.2.1"),
        # Asked by somebody who is no trusted proxy.
        ("192.0.2.1", "203.0.113.9", ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        # Everything to the left of what the proxy added may be made up.
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "10.9.9.9, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        # Two proxies, one behind the other.
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.7", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "10.0.0.7", ["10.0.0.0/8"], "10.0.0.7"),
        ("10.0.0.1", "", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "nonsense", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense, 10.0.0.7", ["10.0.0.0/8"], "10.0.0.7"),
        ("10.0.0.1", "203.0.113.9:4711", ["10.0.0.0/8"], "203.0.113.9"),
        ("fd00::1", "[2001:db8::5]:4711", ["fd00::/8"], "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("", "203.0.113.9", ["unix"], "203.0.113.9"),
        ("", "203.0.113.9", [], ""),
    ],
)
def test_address_of_a_client(settings, remote, forwarded, proxies, client):
    assert seen(remote, forwarded, proxies, settings) == client


def test_a_proxy_that_is_no_network_stops_the_site_at_its_start(settings):
    settings.TRUSTED_PROXIES = ["proxy.internal"]
    with pytest.raises(ImproperlyConfigured, match="proxy.internal"):
        throttles.rate_headers(None)


@pytest.mark.parametrize("rate", ["60", "many/min", "60/", "60/fortnight", "6/0/min"])
def test_a_rate_that_is_none_stops_the_site_at_its_start(settings, rate):
    settings.THROTTLE_RATES = {"read": ("", rate)}
    with pytest.raises(ImproperlyConfigured, match="THROTTLE_READ"):
        throttles.rate_headers(None)


def test_ipv6_counts_by_its_network():
    assert client_network("2001:db8:1:2:aaaa::1") == client_network("2001:db8:1:2:bbbb::2")
    assert client_network("2001:db8:1:2::1") != client_network("2001:db8:1:3::1")
    assert client_network("::ffff:192.0.2.1") == client_network("192.0.2.1") == "192.0.2.1"
    assert client_network("192.0.2.1") != client_network("192.0.2.2")


def test_forged_addresses_do_not_help(client, few):
    found = [client.get(TYPES, HTTP_X_FORWARDED_FOR=f"203.0.113.{n}").status_code for n in range(4)]
    assert found == [200, 200, 200, 429]


def test_visitors_behind_a_trusted_proxy_are_counted_apart(client, few, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    for n in range(3):
        extra = {"HTTP_X_FORWARDED_FOR": f"203.0.113.{n}"}
        assert statuses(client, 4, **extra) == [200, 200, 200, 429]
