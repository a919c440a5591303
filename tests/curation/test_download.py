"""Downloads: what each misbehaviour of a server leads to."""

import contextlib
import json
import random
import socket
import tempfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from curation.download import fetch
from curation.download.errors import HttpError, Stopped, TooLarge
from curation.download.fetch import Downloader
from tests.misbehaving_server import SOON, MisbehavingServer, outcome, picture, resolving

OUTCOMES = {
    "image/7.jpg": "fetched",
    "redirect/4": "fetched",
    "redirect/3?status=307": "fetched",
    "redirect/5": "too-many-redirects",
    "loop": "too-many-redirects",
    "to?url=http://127.0.0.1:22/": "port",
    "to?url=http://169.254.169.254/latest/meta-data/": "not-public",
    "to?url=http://10.0.0.1/": "not-public",
    "to?url=http://2130706433/": "bad-address",
    "to?url=http://kim:secret@127.0.0.1/": "credentials",
    "to?url=http://[::1": "bad-address",
    "to?url=file:///etc/passwd": "scheme",
    "to?url=data:image/png;base64,AAAA": "scheme",
    "status/302": "http-error",
    "status/204": "http-error",
    "status/206": "http-error",
    "status/403": "http-error",
    "status/404": "http-error",
    "status/404?bytes=99999": "http-error",
    "status/500": "http-error",
    "drip-body": "too-slow",
    "drip-headers": "too-slow",
    "drip-chunk-size": "too-slow",
    "drip-until-closed": "too-slow",
    "drip-continue": "too-slow",
    "drip-missing": "http-error",
    "stall-missing": "http-error",
    "stall": "too-slow",
    "endless": "too-large",
    "endless-chunks": "too-large",
    "endless-headers": "broken-answer",
    "length/99999999999": "too-large",
    "length/5": "fetched",
    "length/-5": "fetched",
    "length/7,8": "broken-answer",
    "gzip": "encoded",
    "gzip?as=br": "encoded",
    "gzip?as=identity, GZIP": "encoded",
    "coding/aws-chunked": "fetched",
    "empty": "empty",
    "garbage/": "broken-answer",
    "html/shoe.jpg": "fetched",
    "image/7.jpg?as=text/html": "fetched",
}


@pytest.mark.parametrize("path", OUTCOMES)
def test_each_misbehaviour_has_its_outcome(server, downloader, path):
    assert outcome(downloader, server.url(path)) == OUTCOMES[path]


def test_a_file_is_fetched_as_it_was_sent(server, downloader):
    with downloader.fetch(server.url("redirect/1", status=308)) as file:
        assert file.read() == picture("end.jpg")


@pytest.mark.parametrize("path", ["stall-missing", "drip-missing", "status/404?bytes=99999"])
def test_the_rest_of_one_response_is_not_taken_for_the_next(server, downloader, path):
    assert outcome(downloader, server.url(path)) == "http-error"
    with downloader.fetch(server.url("image/8.jpg")) as fetched:
        assert fetched.read() == picture("8.jpg")


def test_a_response_without_a_body_leaves_a_usable_connection(server, downloader):
    before = server.connections
    with pytest.raises(HttpError) as kept:  # with its traceback, and the answer in that
        downloader.fetch(server.url("status/404?bytes=0", host="127.0.0.77"))
    assert kept.value.__traceback__
    with downloader.fetch(server.url("image/7.jpg", host="127.0.0.77")) as fetched:
        assert fetched.read() == picture("7.jpg")
    assert server.connections == before + 1


def test_an_endless_body_fills_neither_disk_nor_memory(server, downloader, monkeypatch):
    sizes = []

    class Measured:
        def __init__(self):
            self.file = real()

        def write(self, data):
            self.file.write(data)
            sizes.append(self.file.tell())

        def tell(self):
            return self.file.tell()

        def close(self):
            self.file.close()

    real = tempfile.TemporaryFile
    monkeypatch.setattr(fetch.tempfile, "TemporaryFile", Measured)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        downloader.fetch(server.url("endless"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < max(sizes) <= downloader.limits.max_bytes
    assert peak < 2 * 1024**2


def test_requests_carry_no_credentials_cookies_or_proxy(server, downloader, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login kim password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    for _ in range(2):  # the first answer sets a cookie
        with downloader.fetch(server.url("echo")) as fetched:
            seen = json.loads(fetched.read())
    assert seen["headers"] == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": "ShoeTypeRecognizer/1.0 (collects pictures of shoes)",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
    }


def test_https_checks_the_certificate_and_its_name():
    with MisbehavingServer(tls=True) as server:
        answers = {"shoes.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]}
        with resolving(answers), Downloader(server.limits(), 2) as downloader:
            assert outcome(downloader, server.url("image/1.jpg")) == "fetched"
            assert outcome(downloader, server.url("image/1.jpg", "shoes.test")) == "fetched"
            assert outcome(downloader, server.url("image/1.jpg", "other.test")) == "tls"
        with Downloader(server.limits(ca_file=""), 2) as downloader:
            assert outcome(downloader, server.url("image/1.jpg")) == "tls"
        with Downloader(server.limits(seconds=0.8), 2) as downloader:
            assert outcome(downloader, server.url("drip-headers")) == "too-slow"
            assert outcome(downloader, server.url("drip-body")) == "too-slow"
            assert outcome(downloader, server.url("truncated")) == "truncated"


def test_https_to_a_server_that_speaks_http_is_refused(server, downloader):
    assert outcome(downloader, server.url("image/1.jpg").replace("http:", "https:")) == "tls"


@pytest.mark.parametrize("drip", [b"", b"\0"])
def test_a_handshake_that_never_ends_is_given_up(server, drip):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def shake():
            hand, _ = listening.accept()
            with hand, contextlib.suppress(OSError):
                hand.sendall(b"\x16\x03\x03\x40\x00")
                while not over.wait(0.05):
                    hand.sendall(drip)

        threading.Thread(target=shake, daemon=True).start()
        port = listening.getsockname()[1]
        limits = server.limits(ports=frozenset({port}), connect_seconds=0.4, tries=1)
        with Downloader(limits, 1) as downloader:
            assert outcome(downloader, f"https://127.0.0.1:{port}/") == "unreachable"
        over.set()


def test_a_redirect_may_lead_from_https_to_http(server):
    with MisbehavingServer(tls=True) as secure:
        limits = replace(secure.limits(), ports=frozenset({secure.port, server.port}))
        with Downloader(limits, 2) as downloader:
            with downloader.fetch(secure.url("to", url=server.url("image/1.jpg"))) as file:
                assert file.read() == picture("1.jpg")


@pytest.mark.parametrize("path", ["drip-body", "drip-headers", "stall", "endless-wait"])
def test_closing_ends_what_is_under_way(server, path):
    downloader = Downloader(server.limits(seconds=600), 2)
    before = server.requests.total()
    with ThreadPoolExecutor(1) as pool:
        options = {"wait": 30} if path == "endless-wait" else {}
        running = pool.submit(downloader.fetch, server.url(path, **options))
        while server.requests.total() == before:
            threading.Event().wait(0.01)
        downloader.close()
        with pytest.raises(Stopped):
            running.result(timeout=SOON)
    with pytest.raises(Stopped):
        downloader.fetch(server.url("image/1.jpg"))


def test_random_answers_lead_to_a_refusal_or_a_file(server, downloader):
    chance = random.Random(5)
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: image/png\r\n\r\nabc"
    for _ in range(80):
        answer = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            answer[chance.randrange(len(answer))] = chance.choice(b"\r\n:\x00\xff 19-,AHz")
        url = server.url("garbage/" + bytes(answer).hex())
        assert outcome(downloader, url) in (
            "fetched", "broken-answer", "http-error", "truncated", "empty", "unreachable",
            "too-slow",
        )  # fmt: skip
