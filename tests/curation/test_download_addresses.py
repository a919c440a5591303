"""Which addresses are requested: as written, and as their names resolve."""

import ipaddress
import json
from dataclasses import replace

import pytest
import urllib3.util.connection

from curation.download import addresses
from curation.download.errors import DownloadError
from curation.download.fetch import Downloader
from tests.misbehaving_server import SOON, MisbehavingServer, outcome, resolving

PRIVATE = [
    "127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1",
    "0x7f.0.0.1", "017700000001", "0177.0.0.1", "0177.1", "127.0.0.01", "0", "0.0.0.0",
    "127.0.0.1.", "localhost",
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
    "198.18.0.1", "168.63.129.16", "224.0.0.1", "255.255.255.255", "240.0.0.1", "[::1]", "[::]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::7f00:1]", "[::127.0.0.1]",
    "[::ffff:0:7f00:1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fec0::1]", "[fc00::1]",
    "[fd00:ec2::254]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[5f00::1]", "[4000::1]",
    "１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1", "%31%32%37.0.0.1", "127.0.0.%31", "LOCALHOST",
    "127.0.0.1%00.example.org", "0x7f.0x0.0x0.0x1",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_no_form_of_a_private_address_is_requested(server, host):
    before = server.requests.total()
    with Downloader(server.limits(private=()), 1) as downloader:
        assert outcome(downloader, f"http://{host}:{server.port}/") in ("not-public", "bad-address")
        assert outcome(downloader, f"http://{host}/") in ("not-public", "bad-address")
    assert server.requests.total() == before


@pytest.mark.parametrize(
    "answer",
    [
        ["10.0.0.1"], ["::1"], ["::7f00:1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"],
        ["93.184.216.34", "10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"],
        ["93.184.216.34", "::7f00:1"], ["93.184.216.34", "4000::1"],
    ],
)  # fmt: skip
def test_every_address_of_a_name_must_be_public(server, answer):
    with Downloader(server.limits(private=()), 1) as downloader, resolving({"shop.test": [answer]}):
        assert outcome(downloader, server.url("image/1.jpg", "shop.test")) == "not-public"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("::ffff:8.8.8.8", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("2002:808:808::", False),
        ("64:ff9b::808:808", False),
        ("::808:808", False),
        ("224.0.0.251", False),
        ("127.0.0.1", False),
    ],
)
def test_public_is_told_from_private(address, public):
    assert addresses.is_public(ipaddress.ip_address(address)) is public


def test_allowed_networks_count_as_public_and_their_neighbours_do_not():
    for address, let in (("10.1.2.3", True), ("10.2.0.1", False), ("fd00::1", True)):
        network = ("10.1.0.0/16", "fd00::/64")
        assert addresses.is_public(ipaddress.ip_address(address), network) is let


def test_the_connection_goes_to_the_address_that_was_checked(server, monkeypatch):
    """A public name is asked at its public address, in one look-up, whatever it says later."""
    went = []

    def refuse(address, *args, **kwargs):
        went.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", refuse)
    answers = {"rebind.test": [["93.184.216.34"], ["127.0.0.1"]]}
    with (
        Downloader(server.limits(private=(), tries=1), 1) as downloader,
        resolving(answers) as asked,
    ):
        url = server.url("image/1.jpg", "rebind.test")
        assert outcome(downloader, url) == "unreachable"
        assert (went, asked["rebind.test"]) == ([("93.184.216.34", server.port)], 1)
        assert outcome(downloader, url) == "not-public"
        assert len(went) == 1


def test_a_name_that_resolves_differently_later_is_checked_each_time(server, downloader):
    answers = {"rebind.test": [["127.0.0.7"], ["10.0.0.1"]]}
    with resolving(answers) as asked:
        url = server.url("echo", "rebind.test")
        with downloader.fetch(url) as fetched:
            seen = json.loads(fetched.read())
        assert asked["rebind.test"] == 1
        assert outcome(downloader, url) == "not-public"
    assert seen["at"] == "127.0.0.7"
    assert seen["headers"]["Host"] == f"rebind.test:{server.port}"


def test_a_redirect_is_looked_up_anew(server, downloader):
    answers = {"rebind.test": [["127.0.0.1"], ["192.168.0.1"]]}
    with resolving(answers):
        url = server.url("to", "rebind.test", url=server.url("image/1.jpg", "rebind.test"))
        assert outcome(downloader, url) == "not-public"


def test_a_slow_look_up_ends_at_the_time_limit(server, downloader):
    with resolving({"slow.test": [["127.0.0.1"]]}, slow={"slow.test": SOON}):
        assert outcome(downloader, server.url("image/1.jpg", "slow.test")) == "too-slow"


def test_an_unknown_name_is_not_tried_again(server, patient):
    with resolving({"nobody.test": [[]]}) as asked:
        with pytest.raises(DownloadError) as refused:
            patient.fetch(server.url("image/1.jpg", "nobody.test"))
    assert (refused.value.code, refused.value.temporary) == ("unreachable", False)
    assert asked["nobody.test"] == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "bad-address"),
        ("shoe.jpg", "bad-address"),
        ("//example.org/shoe.jpg", "bad-address"),
        ("http:///shoe.jpg", "bad-address"),
        ("http:shoe.jpg", "bad-address"),
        ("http://exa mple.org/", "bad-address"),
        ("http://example.org:http/", "bad-address"),
        ("http://example.org:99999/", "bad-address"),
        ("http://example.org/\r\nHost: other", "bad-address"),
        ("http://example.org/\x00", "bad-address"),
        ("http://example.org/\ud800", "bad-address"),
        ("http://example.org/" + "a" * 5000, "bad-address"),
        ("http://" + "a" * 64 + ".org/", "bad-address"),
        ("http://exa\u202emple.org/", "bad-address"),
        ("http://-\u00ad-/", "bad-address"),
        ("http://[::1%25eth0]/", "bad-address"),
        ("http://[fe80::1", "bad-address"),
        ("http://kim@example.org/", "credentials"),
        ("https://kim:secret@example.org/", "credentials"),
        ("http://:@example.org/", "credentials"),
        ("http://example.org@127.0.0.1/", "credentials"),
        ("http://example.org:22/", "port"),
        ("https://example.org:8443/", "port"),
        ("ftp://example.org/shoe.jpg", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("data:image/png;base64,iVBORw0KGgo=", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("gopher://example.org/", "scheme"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused_as_written(server, downloader, url, code):
    with pytest.raises(DownloadError) as refused:
        downloader.fetch(url)
    assert refused.value.code == code
    assert "secret" not in refused.value.detail


def test_the_port_must_be_allowed_on_private_networks_too(server):
    limits = replace(server.limits(), ports=frozenset({80, 443}))
    with Downloader(limits, 1) as downloader:
        assert outcome(downloader, server.url("image/1.jpg")) == "port"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("http://schuhgröße.test:{port}/größe 43.jpg#top", "xn--schuhgre-wya3u.test"),
        ("  HTTP://SHOES.test:{port}/a%20b.jpg\n", "shoes.test"),
        ("http://shoes.test:{port}\\@example.org/", "shoes.test"),
        ("http://my_shoes.test:{port}/?q=a b", "my_shoes.test"),
    ],
)
def test_international_and_untidy_addresses_are_normalised(server, downloader, written, sent):
    with resolving({sent: [["127.0.0.1"]]}) as asked:
        assert outcome(downloader, written.format(port=server.port)) == "http-error"  # 404
    assert asked[sent] == 1


def test_ipv6_servers_are_requested():
    try:
        server = MisbehavingServer(address="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server, Downloader(server.limits(), 1) as downloader:
        with downloader.fetch(server.url("echo", "[::1]")) as fetched:
            assert json.loads(fetched.read())["headers"]["Host"] == f"[::1]:{server.port}"
