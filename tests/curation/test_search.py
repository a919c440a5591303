"""Search engines, by ddgs's real classes and client, against a server on this machine."""

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice

import pytest

from curation import search
from curation.errors import CurationError
from curation.search import (
    FILTERS,
    PROVIDERS,
    Connection,
    Query,
    RateLimited,
    SearchBroken,
    SearchUnreachable,
    provider,
)
from curation.search.errors import UnknownFilter
from tests.engines import BING, DUCKDUCKGO, Engines, Fault, Result

BOTH = pytest.mark.parametrize("name", [DUCKDUCKGO, BING])
RESULTS = {DUCKDUCKGO: "/i.js", BING: "/images/async"}
SIZE = {DUCKDUCKGO: 100, BING: 35}
CHALLENGE = {
    DUCKDUCKGO: '<div class="anomaly-modal__title">Unfortunately, bots use DuckDuckGo too.</div>',
    BING: '<html><div class="captcha" id="b_captcha">One last step</div></html>',
}


@pytest.fixture
def engines():
    with Engines() as engines:
        yield engines


def shoes(count, start=0):
    return [Result(f"https://shop.example/{n}.jpg", f"https://shop.example/{n}", f"Shoe {n}")
            for n in range(start, start + count)]  # fmt: skip


def pages(engines, name, text="boots", **asked):
    return PROVIDERS[name].search(Query(text, **asked), engines.connection())


def refusal(iterator):
    with pytest.raises(CurationError) as caught:
        list(iterator)
    return caught.value


# --- results --------------------------------------------------------------------------------------


@BOTH
def test_hits_come_in_the_engines_order_with_rank_and_page(engines, name):
    count = SIZE[name] + 20
    engines.put("boots", shoes(count))
    first, second = pages(engines, name)
    assert (first.number, len(first.hits), second.number, len(second.hits)) == (
        1,
        SIZE[name],
        2,
        20,
    )
    hits = first.hits + second.hits
    assert [hit.file_url for hit in hits] == [shoe.file_url for shoe in shoes(count)]
    assert [hit.rank for hit in hits] == list(range(1, count + 1))
    last = hits[-1]
    assert (last.page_url, last.title) == (f"https://shop.example/{count - 1}", f"Shoe {count - 1}")
    assert (last.width, last.height) == (800, 600)


@BOTH
def test_no_results_are_no_error(engines, name):
    assert list(pages(engines, name)) == []


@BOTH
def test_pages_are_requested_one_by_one_when_needed(engines, name):
    engines.put("boots", shoes(300))
    list(islice(pages(engines, name), 2))
    assert len(engines.params(RESULTS[name])) == 2


@BOTH
def test_a_repeated_last_page_ends_the_results(engines, name):
    engines.put("boots", shoes(SIZE[name] + 5))
    engines.repeat_last = True
    assert [page.number for page in pages(engines, name)] == [1, 2]


@BOTH
def test_a_resumed_search_requests_only_its_page(engines, name):
    engines.put("boots", shoes(250))
    page = next(pages(engines, name, first_page=3))
    assert page.number == 3
    assert page.hits[0].rank == 2 * SIZE[name] + 1
    assert page.hits[0].file_url == f"https://shop.example/{2 * SIZE[name]}.jpg"
    assert len(engines.params(RESULTS[name])) == 1


@BOTH
def test_a_result_shown_twice_is_one_hit(engines, name):
    engines.put(
        "boots", [*shoes(SIZE[name]), *shoes(1), *shoes(1, start=500), *shoes(1, start=500)]
    )
    first, second = pages(engines, name)
    assert [(hit.file_url, hit.rank) for hit in second.hits] == [
        ("https://shop.example/500.jpg", SIZE[name] + 2)
    ]


@BOTH
def test_results_without_an_address_to_fetch_are_left_out(engines, name):
    bad = [
        None,
        "",
        "data:image/png;base64,AAAA",
        "ftp://shop.example/1.jpg",
        "/1.jpg",
        "https://",
        "https://[::1/1.jpg",
        "https://shop.example/\x00.jpg",
        "https://shop.example/\ud800.jpg",
    ]
    engines.put("boots", [*[Result(url) for url in bad], *shoes(1)])  # fmt: skip
    (page,) = pages(engines, name)
    assert [hit.file_url for hit in page.hits] == ["https://shop.example/0.jpg"]


@BOTH
def test_a_page_of_such_results_is_not_the_end(engines, name):
    engines.put("boots", [*[Result(f"ftp://x/{n}") for n in range(SIZE[name])], *shoes(1)])
    assert [len(page.hits) for page in pages(engines, name)] == [0, 1]


@BOTH
def test_addresses_are_not_decoded(engines, name):
    url = "https://cdn.example/a%2Fb%20c.jpg?u=https%3A%2F%2Fx.example%2F1%26w%3D2&s=é+ü"
    engines.put("boots", [Result(url, url)])
    (page,) = pages(engines, name)
    assert (page.hits[0].file_url, page.hits[0].page_url) == (url, url)


@BOTH
@pytest.mark.parametrize(
    "said, read", [("1200", 1200), (1200, 1200), (None, None), ("", None), (0, None), ("-5", None),
                   ("9999999999", None), ("wide", None)],
)  # fmt: skip
def test_sides_may_be_numbers_text_or_missing(engines, name, said, read):
    engines.put("boots", [Result("https://shop.example/1.jpg", width=said, height=said)])
    (page,) = pages(engines, name)
    assert (page.hits[0].width, page.hits[0].height) == (read, read)


@BOTH
def test_titles_are_plain_text(engines, name):
    title = "<b>Chelsea</b> &amp; co\ue000\x00"
    engines.put("boots", [Result("https://x.example/1", "javascript:alert(1)", title)])
    (page,) = pages(engines, name)
    assert (page.hits[0].title, page.hits[0].page_url) == ("Chelsea & co", "")


# --- what is asked --------------------------------------------------------------------------------


def test_duckduckgo_is_asked_for_strict_safe_search(engines):
    list(pages(engines, DUCKDUCKGO))
    assert {request.cookies["p"] for request in engines.requests} == {"1"}
    assert [asked["p"] for asked in engines.params("/i.js")] == ["1"]


def test_bing_is_asked_for_strict_safe_search(engines):
    list(pages(engines, BING))
    (request,) = engines.requests
    assert request.params["adlt"] == "strict"
    assert request.cookies["SRCHHPGUSR"] == "ADLT=STRICT"


def test_safe_search_off_is_sent_to_the_engines(engines):
    list(pages(engines, DUCKDUCKGO, safe=False))
    list(pages(engines, BING, safe=False))
    page, results, bing = engines.requests
    assert (page.cookies["p"], results.cookies["p"], results.params["p"]) == ("-2", "-2", "-1")
    assert (bing.params["adlt"], bing.cookies["SRCHHPGUSR"]) == ("off", "ADLT=OFF")


def test_bings_safe_search_is_trusted_only_by_setting():
    assert provider("duckduckgo").safe
    assert not provider("bing").safe
    assert provider("bing", trusted_safe=True).safe
    assert not PROVIDERS["bing"].safe


def test_duckduckgo_gets_filters_by_its_own_names(engines):
    filters = {"kind": "photo", "size": "large", "colour": "colour", "layout": "wide",
               "licence": "share-commercially"}  # fmt: skip
    list(pages(engines, DUCKDUCKGO, filters=filters))
    (asked,) = engines.params("/i.js")
    assert set(asked["f"].split(",")) - {""} == {
        "size:Large", "color:color", "type:photo", "layout:Wide", "license:ShareCommercially",
    }  # fmt: skip


def test_bing_gets_filters_by_its_own_names(engines):
    filters = {"kind": "gif", "size": "wallpaper", "colour": "monochrome", "layout": "tall",
               "licence": "modify"}  # fmt: skip
    list(pages(engines, BING, filters=filters))
    (asked,) = engines.params("/images/async")
    assert asked["qft"] == (
        "+filterui:photo-animatedgif+filterui:imagesize-wallpaper+filterui:color2-bw"
        "+filterui:aspect-tall+filterui:license-L2_L3_L5_L6"
    )


@BOTH
def test_every_value_of_every_filter_honoured_is_sent_and_no_other(engines, name):
    list(pages(engines, name))
    plain = engines.params(RESULTS[name])[-1]
    for filter_, values in FILTERS.items():
        sent = set()
        for value in values:
            list(pages(engines, name, filters={filter_: value}))
            asked = engines.params(RESULTS[name])[-1]
            sent.add(tuple(set(asked.items()) - set(plain.items())))
        honoured = filter_ in PROVIDERS[name].honours
        assert len(sent) == (len(values) if honoured else 1)
        assert (() in sent) is not honoured


@pytest.mark.parametrize("filters", [{"colour": "mauve"}, {"age": "day"}])
def test_unknown_filters_are_refused(filters):
    with pytest.raises(UnknownFilter) as caught:
        Query("boots", filters)
    assert caught.value.code == "search_filter_unknown"


def test_pages_are_counted_from_one():
    with pytest.raises(ValueError):
        Query("boots", first_page=0)


# --- DuckDuckGo's token ---------------------------------------------------------------------------


def test_the_token_is_fetched_once_for_all_pages_and_through_one_connection(engines):
    engines.put("boots", shoes(250))
    assert len(list(pages(engines, DUCKDUCKGO))) == 3
    assert [request.path for request in engines.requests] == ["/", *["/i.js"] * 4]
    assert len({request.connection for request in engines.requests}) == 1


def test_an_expired_token_is_fetched_anew(engines):
    engines.put("boots", shoes(150))
    found = pages(engines, DUCKDUCKGO)
    next(found)
    engines.expire_tokens()
    assert next(found).number == 2
    assert [request.path for request in engines.requests] == ["/", "/i.js", "/i.js", "/", "/i.js"]


def test_a_new_token_refused_is_a_rate_limit(engines):
    engines.put("boots", shoes(150))
    found = pages(engines, DUCKDUCKGO)
    next(found)
    engines.refuse(403, times=10, path="/i.js")
    assert isinstance(refusal(found), RateLimited)
    assert len(engines.requests) == 5


def test_a_page_without_a_token_is_an_error(engines):
    engines.fail(Fault(body="<html>Welcome</html>", path="/"))
    assert isinstance(refusal(pages(engines, DUCKDUCKGO)), SearchBroken)


# --- what goes wrong ------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("said, seconds", [("120", 120.0), (None, None), ("soon", None),
                                           ("-3", None), ("inf", None)])  # fmt: skip
def test_too_many_requests_is_a_rate_limit(engines, name, said, seconds):
    engines.refuse(429, said, path=RESULTS[name])
    error = refusal(pages(engines, name))
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert error.code == "search_rate_limited"


@BOTH
def test_retry_after_may_be_a_date(engines, name):
    then = datetime.now(UTC) + timedelta(minutes=5)
    engines.refuse(429, format_datetime(then, usegmt=True))
    assert 280 < refusal(pages(engines, name)).retry_after <= 300


def test_a_past_date_is_no_wait(engines):
    engines.refuse(429, "Wed, 21 Oct 2015 07:28:00 GMT")
    assert refusal(pages(engines, BING)).retry_after == 0


@BOTH
@pytest.mark.parametrize("status", [202, 403, 418])
def test_other_refusals_are_rate_limits_too(engines, name, status):
    engines.refuse(status, path=RESULTS[name], body=CHALLENGE[name])
    assert isinstance(refusal(pages(engines, name)), RateLimited)
    assert len(engines.params(RESULTS[name])) == 1


@pytest.mark.parametrize("status", [202, 403, 429])
def test_duckduckgos_page_may_refuse_as_well(engines, status):
    engines.refuse(status, path="/")
    assert isinstance(refusal(pages(engines, DUCKDUCKGO)), RateLimited)


@BOTH
def test_a_challenge_with_status_200_is_a_rate_limit(engines, name):
    engines.fail(Fault(body=CHALLENGE[name]))
    assert isinstance(refusal(pages(engines, name)), RateLimited)


@BOTH
def test_a_challenge_on_a_later_page_is_a_rate_limit(engines, name):
    engines.put("boots", shoes(300))
    found = pages(engines, name)
    next(found)
    engines.fail(Fault(body=CHALLENGE[name]))
    assert isinstance(refusal(found), RateLimited)


@BOTH
def test_a_result_whose_title_looks_like_a_challenge_is_a_result(engines, name):
    engines.put("boots", [Result("https://x.example/1", title="b_captcha anomaly-modal")])
    assert len(list(pages(engines, name))) == 1


@BOTH
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_unreachable(engines, name, status):
    engines.refuse(status)
    error = refusal(pages(engines, name))
    assert isinstance(error, SearchUnreachable)
    assert str(status) in error.detail


@BOTH
@pytest.mark.parametrize("body", ["", "%PDF-1.4 \x00\x01", "<html>Accept our cookies</html>", "{}",
                                  '{"results": 7}', '{"results": [7]}', "[" * 100_000,
                                  '<?xml version="1.0" encoding="x"?><a>iusc</a>'])  # fmt: skip
def test_an_unreadable_answer_is_an_error(engines, name, body):
    engines.fail(Fault(body=body, path=RESULTS[name]))
    error = refusal(pages(engines, name))
    assert isinstance(error, SearchBroken)
    assert error.code == "search_broken"


@BOTH
def test_another_status_is_an_error(engines, name):
    engines.refuse(404)
    assert isinstance(refusal(pages(engines, name)), SearchBroken)


def test_a_malformed_result_of_bing_is_skipped_alone(engines):
    good = "{&quot;murl&quot;:&quot;https://x.example/1&quot;}"
    items = "".join(
        f'<div><div class="imgpt"><a class="iusc" m="{m}"></a></div>'
        f'<div class="infopt"></div></div>'
        for m in ("{no json", "7", "{}", "{&quot;murl&quot;:[]}", good)
    )
    engines.fail(Fault(body=f'<ul class="dgControl_list">{items}</ul>'))  # fmt: skip
    page = next(pages(engines, BING))
    assert [(hit.file_url, hit.rank) for hit in page.hits] == [("https://x.example/1", 5)]


@BOTH
def test_no_answer_in_time_is_unreachable(engines, name):
    engines.fail(Fault(seconds=2, instead=False))
    found = PROVIDERS[name].search(Query("boots"), engines.connection(timeout=0.5))
    assert "within 0.5 seconds" in refusal(found).detail


@BOTH
def test_a_connection_that_breaks_off_is_unreachable(engines, name):
    engines.fail(Fault(close=True), times=10)
    assert isinstance(refusal(pages(engines, name)), SearchUnreachable)


@BOTH
def test_no_server_at_all_is_unreachable(name):
    with Engines() as gone:
        connection = gone.connection()
        ca = open(gone.ca_file).read()
    with Engines() as other:
        open(other.ca_file, "w").write(ca)
        connection = Connection(connection.proxy, other.ca_file)
        error = refusal(PROVIDERS[name].search(Query("boots"), connection))
    assert isinstance(error, SearchUnreachable)
    assert "no connection" in error.detail


@BOTH
def test_a_certificate_of_another_authority_is_not_trusted(engines, name):
    with Engines() as other:
        connection = Connection(engines.proxy, other.ca_file)
        error = refusal(PROVIDERS[name].search(Query("boots"), connection))
    assert isinstance(error, SearchUnreachable)
    assert "certificate" in error.detail
    assert engines.requests == []


@pytest.mark.parametrize(
    "connection", [Connection(proxy="no proxy::"), Connection(ca_file="/nowhere/ca.pem")]
)
def test_unusable_settings_are_reported(connection):
    error = refusal(PROVIDERS["bing"].search(Query("boots"), connection))
    assert isinstance(error, SearchUnreachable)
    assert "set for searches" in error.detail


@pytest.mark.parametrize(
    "error",
    [RateLimited("Bing", None), RateLimited("Bing", 90.0), SearchUnreachable("Bing", "no network"),
     SearchBroken("Bing", "it is no HTML"), UnknownFilter("age", "day")],
)  # fmt: skip
def test_errors_are_plain_sentences_and_survive_pickling(error):
    assert error.detail.endswith(".") and "{" not in error.detail
    assert pickle.loads(pickle.dumps(error)).detail == error.detail
    assert error.detail == str(error)


def test_a_rate_limit_says_how_long():
    assert "90 seconds" in RateLimited("Bing", 90.0).detail
    assert "some minutes" in RateLimited("Bing", None).detail


def test_providers_are_known_by_their_names():
    assert {name: each.name for name, each in search.PROVIDERS.items()} == {
        "duckduckgo": "duckduckgo", "bing": "bing",
    }  # fmt: skip
