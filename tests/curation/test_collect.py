"""Collections: real searches and real downloads from servers on this machine, into the database."""

import tempfile
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from curation.collect.configuration import download_limits
from curation.collect.outcomes import REASONS, accepted_by_query
from curation.collect.run import collect_images
from curation.collect.start import CollectionRefused, start_collections
from curation.decisions import purge
from curation.models import Collection, Hit, Review, ShoeImage
from shoeproject import jobs
from tests import decisions
from tests.engines import BING, DUCKDUCKGO, Engines
from tests.factories import shoe_type
from tests.misbehaving_server import LOOPBACK, MisbehavingServer

pytestmark = pytest.mark.django_db
TERM = "Chelsea boots"


@pytest.fixture
def engines(settings):
    with Engines() as engines:
        settings.COLLECT_PROXY, settings.COLLECT_CA_FILE = engines.proxy, engines.ca_file
        settings.COLLECT_SEARCH_PAUSE = 0
        yield engines


@pytest.fixture
def web(settings):
    with MisbehavingServer() as server:
        settings.COLLECT_PORTS, settings.COLLECT_PRIVATE = [80, server.port], list(LOOPBACK)
        settings.COLLECT_SECONDS = 3
        settings.COLLECT_TRIES = 1
        yield server


def shoes(web, numbers, size="320x240", page="https://shop.example/page/{}", width=800):
    """Results with a picture of its own each."""
    return [
        (web.url(f"image/{n}.jpg", f"127.0.0.{n % 5 + 1}", size=size), page.format(n), f"Boot {n}",
         width, 600)
        for n in numbers
    ]  # fmt: skip


def ask(count=5, **options) -> Collection:
    return start_collections([shoe_type()], count, terms=[TERM], **options)[0]


def run(job, on_progress=None) -> Collection:
    jobs.perform(Collection, job.pk, collect_images, on_progress=on_progress)
    job.refresh_from_db()
    return job


def outcomes(job) -> list[str]:
    return [hit.reason or hit.outcome for hit in job.hits.all()]


def names(job) -> list[str]:
    return [hit.title for hit in job.hits.filter(outcome="accepted")]


def test_new_images_are_accepted_in_the_order_of_the_results(engines, web):
    engines.put(TERM, shoes(web, range(12)))
    job = run(ask(5))
    assert (job.state, job.error) == ("done", "")
    assert names(job) == [f"Boot {n}" for n in range(5)]
    image = job.images.get(title="Boot 3")
    assert (image.state, image.label, image.proposed) == ("unreviewed", None, shoe_type())
    assert (image.query, image.rank, image.domain) == (TERM, 4, "shop.example")
    assert image.page_url == "https://shop.example/page/3"
    assert image.file_url.endswith("/image/3.jpg?size=320x240")
    assert (image.licence, image.source) == ("unknown", "shop.example")
    assert image.hits.get().provider == "duckduckgo"
    assert image.stored_bytes > 1000


def test_little_more_is_fetched_than_is_needed(engines, web):
    engines.put(TERM, shoes(web, range(60)))
    run(ask(3))
    assert sum(web.requests.values()) <= 6


def test_pictures_of_one_page_stay_in_one_split(engines, web):
    engines.put(TERM, shoes(web, range(6), page="https://shop.example/boot"))
    job = run(ask(6))
    assert len(set(job.images.values_list("group", flat=True))) == 1
    assert len(set(job.images.values_list("split", flat=True))) == 1


def test_the_label_is_set_with_set_label(engines, web, member):
    engines.put(TERM, shoes(web, range(3)))
    job = run(ask(2, set_label=True, by=member("Curator")))
    assert set(job.images.values_list("label__slug", "state")) == {("chelsea-boots", "unreviewed")}
    assert Review.objects.filter(action="import", by=job.asked_by).count() == 2


def test_the_licence_filter_is_stored_as_the_licence(engines, web):
    engines.put(TERM, shoes(web, range(2)))
    job = run(ask(1, filters={"licence": "public"}))
    assert job.images.get().licence == "Public domain"
    assert "license:Public" in engines.params("/i.js")[0]["f"]


def test_every_refused_result_has_a_reason(engines, web):
    results = [
        shoes(web, [1])[0],
        (web.url("image/1.jpg", size="320x240", again=1), "https://b.example/", "same bytes"),
        (web.url("image/1.jpg", size="640x480"), "https://b.example/", "larger copy"),
        (web.url("image/2.jpg", size="100x80"), "https://b.example/", "small"),
        shoes(web, [3], width=90)[0],
        (web.url("html"), "https://b.example/", "no picture"),
        (web.url("404"), "https://b.example/", "gone"),
        (web.url("robots", tag="noai"), "https://b.example/", "not for us"),
        (web.url("to", url="http://169.254.169.254/meta"), "https://b.example/", "into the cloud"),
        ("http://10.0.0.1/a.jpg", "https://b.example/", "inside"),
        (web.url("endless"), "https://b.example/", "endless"),
        (web.url("drip-body"), "https://b.example/", "slow"),
        shoes(web, [4])[0],
    ]
    engines.put(TERM, results)
    job = run(ask(2))
    assert outcomes(job) == [
        "accepted", "known", "near-copy", "too-small", "said-too-small", "image_unsupported",
        "http-error", "robots", "not-public", "not-public", "too-large",
        "too-slow", "accepted",
    ]  # fmt: skip
    assert set(job.report["refused"]) <= set(REASONS)
    assert job.report["found"] == 13
    assert job.report["fetched"] == 6
    assert all(
        hit.detail for hit in job.hits.filter(reason__in=["http-error", "image_unsupported"])
    )


def test_rejected_image_is_not_collected_again(engines, web, member):
    engines.put(TERM, shoes(web, [1, 2]))
    first = run(ask(2))
    decisions.reject(first.images.all(), by=member("Curator"))
    again = [
        (web.url("image/1.jpg", size="320x240", mirror=1), "https://else.example/", "bytes"),
        (web.url("image/2.jpg", size="480x360"), "https://else.example/", "another size"),
    ]
    engines.put(TERM, again)
    assert outcomes(run(ask(2))) == ["rejected-before", "copy-of-rejected"]


def test_a_second_collection_fetches_no_address_again(engines, web):
    engines.put(TERM, [*shoes(web, range(3)), (web.url("html"), "", "no picture")])
    run(ask(4))
    asked = dict(web.requests)
    engines.put(TERM, [*shoes(web, range(5)), (web.url("html"), "", "no picture")])
    job = run(ask(4))
    assert outcomes(job) == [*["seen-before"] * 3, "accepted", "accepted", "seen-before"]
    assert {path: web.requests[path] for path in asked} == asked


def test_an_address_that_did_not_answer_is_tried_again(engines, web):
    engines.put(TERM, [(web.url("flaky/1/x?how=503"), "", "later")])
    assert outcomes(run(ask(1))) == ["http-error"]
    # The picture behind it is small: what matters is that it was asked for.
    assert outcomes(run(ask(1))) == ["too-small"]


def test_nothing_comes_back_from_a_purged_host(engines, web, member):
    engines.put(TERM, shoes(web, range(2)))
    run(ask(2))
    kim = member("Operator")
    scope = purge.Scope("domain", "shop.example")
    purge.purge(scope.images(), kim, "asked to", scope.words)
    engines.put(TERM, shoes(web, [7], page="https://www.shop.example/{}"))
    job = run(ask(1))
    assert outcomes(job) == ["taken-down"]
    assert not web.requests["image/7.jpg"]


def test_terms_and_pages_are_searched_until_there_are_enough_images(engines, web):
    engines.put("one", shoes(web, range(200, 302), width=10) + shoes(web, [1]))
    engines.put("two", shoes(web, [1, 2, 3]))
    job = start_collections([shoe_type()], 3, terms=["one", "two"])[0]
    run(job)
    assert list(job.images.values_list("query", "rank").order_by("pk")) == [
        ("one", 103), ("two", 2), ("two", 3),
    ]  # fmt: skip


def test_a_collection_ends_and_says_so_when_results_run_out(engines, web):
    engines.put(TERM, shoes(web, range(2)))
    job = run(ask(9))
    assert (job.state, job.report["accepted"], job.report["dry"]) == ("done", 2, True)


def test_no_network_gives_one_clear_sentence(settings, web):
    settings.COLLECT_PROXY, settings.COLLECT_SEARCH_PAUSE = "http://127.0.0.1:9", 0
    job = run(ask(2))
    assert job.state == "failed"
    assert "cannot be reached" in job.error
    assert job.error.count(".") <= 2
    assert not job.hits.exists()


# --- engines that want to be left alone ---------------------------------------------------------


def test_a_rate_limited_search_shows_that_it_waits_and_continues(engines, web):
    engines.put(TERM, shoes(web, range(150), width=10)[:100] + shoes(web, range(100, 104)))
    engines.refuse(429, retry_after=30, path="/i.js", times=1)
    job = run(ask(2))
    assert (job.state, job.error) == ("queued", "")
    assert "waiting until" in job.progress_what
    assert timedelta(seconds=25) < job.not_before - timezone.now() < timedelta(seconds=60)
    assert not run(job).images.exists()  # not before its time
    due(job)
    assert (run(job).state, job.images.count()) == ("done", 2)


def test_other_collections_wait_for_a_rate_limited_engine_too(engines, web):
    engines.put(TERM, shoes(web, range(5)))
    engines.refuse(429, retry_after=30, path="/i.js")
    run(ask(2))
    asked = len(engines.requests)
    other = start_collections([shoe_type("sandals")], 1, terms=[TERM])[0]
    assert "waiting until" in run(other).progress_what
    assert len(engines.requests) == asked


def test_an_engine_that_stays_rate_limited_pauses_the_collection(engines, web, settings):
    settings.COLLECT_WAITS = 2
    engines.put(TERM, shoes(web, range(5)))
    engines.refuse(429, path="/i.js", times=3)
    job = ask(2)
    for _ in range(2):
        assert run(job).state == "queued"
        due(job)
    assert run(job).state == "paused"
    assert "Resume" in job.error
    cache.clear()
    job.resume()
    assert (run(job).state, job.images.count()) == ("done", 2)


def test_results_from_before_a_rate_limit_are_kept(engines, web, settings):
    settings.JOB_TICK_SECONDS = 0
    results = shoes(web, range(100)) + shoes(web, range(100, 130))
    engines.put(TERM, results)
    job = ask(101)
    seen = []

    def refuse_page_two(row):
        if not seen and row.hits.exists():
            seen.append(engines.refuse(429, path="/i.js"))

    run(job, on_progress=refuse_page_two)
    assert job.state == "queued"
    before = job.images.count()
    assert before > 50
    asked = dict(web.requests)
    due(job)
    run(job)
    assert job.images.count() == min(101, before + 31)
    assert all(web.requests[path] == times for path, times in asked.items())


def due(job):
    Collection.objects.filter(pk=job.pk).update(not_before=None)
    cache.clear()


# --- the second engine --------------------------------------------------------------------------


def test_bing_is_not_used_with_safe_search(engines, web):
    engines.put(TERM, shoes(web, [1]), engine=DUCKDUCKGO)
    engines.put(TERM, shoes(web, [2]), engine=BING)
    assert run(ask(2)).images.count() == 1
    assert not engines.params("/images/async")


def test_bing_is_used_when_duckduckgo_has_no_more_results(engines, web, settings):
    settings.COLLECT_BING_SAFE = True
    engines.put(TERM, shoes(web, [1]), engine=DUCKDUCKGO)
    engines.put(TERM, shoes(web, [1, 2]), engine=BING)
    job = run(ask(2))
    assert list(job.hits.values_list("provider", "rank")) == [("duckduckgo", 1), ("bing", 2)]
    assert engines.params("/images/async")[0]["adlt"] == "strict"


def test_bing_is_used_when_duckduckgo_cannot_be_read(engines, web, settings):
    settings.COLLECT_BING_SAFE = True
    engines.put(TERM, shoes(web, [1, 2]))
    engines.refuse(200, path="/i.js", body="<html>what is this", times=9)
    job = run(ask(2))
    assert (job.state, set(job.hits.values_list("provider", flat=True))) == ("done", {"bing"})
    assert "Went on with Bing" in job.report["notes"][0]


def test_no_usable_engine_gives_a_clear_sentence(engines, settings):
    settings.COLLECT_PROVIDERS = ["bing"]
    job = run(ask(1))
    assert job.state == "failed"
    assert "safe search" in job.error


# --- interruptions ------------------------------------------------------------------------------


class Killed(BaseException):
    """As abrupt as a worker's death can be within a test."""


def test_a_worker_that_dies_anywhere_changes_nothing(engines, web, settings):
    settings.JOB_TICK_SECONDS = 0
    results = []
    for n in range(30):  # some of them copies of earlier ones, some broken
        results += shoes(web, [n])
        results.append((web.url(f"image/{n // 2}.jpg", size="480x360"), "", f"copy {n}"))
        results.append((web.url("404", n=n), "", "gone"))
    engines.put(TERM, results)
    whole = names(run(ask(20)))
    assert len(whole) == 20
    forget()
    job = ask(20)
    for death in (3, 9, 12, 6):
        with pytest.raises(Killed):
            run(job, on_progress=after(death))
        Collection.objects.filter(pk=job.pk).update(lease_until=timezone.now())
    run(job)
    assert (job.state, names(job)) == ("done", whole)
    assert job.images.count() == 20


def after(ticks):
    left = [ticks]

    def watch(row):
        left[0] -= 1
        if not left[0]:
            raise Killed

    return watch


def forget():
    Hit.objects.all().delete()
    Review.objects.all().delete()
    ShoeImage.objects.all().delete()
    Collection.objects.all().delete()


def test_a_paused_collection_stops_and_can_be_resumed(engines, web, settings):
    settings.JOB_TICK_SECONDS = 0
    engines.put(TERM, shoes(web, range(20)))
    job = ask(10)

    def pause(row):
        if row.images.count() == 4:
            row.pause()

    assert run(job, on_progress=pause).state == "paused"
    assert 4 <= job.images.count() < 10
    job.resume()
    assert names(run(job)) == [f"Boot {n}" for n in range(10)]


def test_a_used_up_quota_pauses_with_a_sentence(engines, web, settings):
    settings.MEDIA_QUOTA_MB = 0.02
    engines.put(TERM, shoes(web, range(20)))
    job = run(ask(20))
    assert job.state == "paused"
    assert "MEDIA_QUOTA_MB" in job.error
    assert 0 < job.images.count() < 20
    settings.MEDIA_QUOTA_MB = 100
    job.resume()
    assert run(job).images.count() == 20


def test_a_full_disk_pauses_with_a_sentence(engines, web, monkeypatch):
    engines.put(TERM, shoes(web, range(3)))
    monkeypatch.setattr(tempfile, "tempdir", "/there/is/no/such/folder")
    job = run(ask(3))
    assert (job.state, job.images.count()) == ("paused", 0)
    assert "Make room, then resume." in job.error
    monkeypatch.undo()
    job.resume()
    assert run(job).images.count() == 3


# --- asking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "types, options, words",
    [
        ([], {}, "Choose a type"),
        (["sandals"], {"count": 0}, "1 to 5000"),
        (["sandals"], {"count": 5001}, "1 to 5000"),
        (["sandals", "brogues"], {"terms": ["x"]}, "belong to one type"),
        (["sandals"], {"terms": ["x" * 201]}, "200 characters"),
        (["sandals"], {"filters": {"mood": "red"}}, "no filter “mood”"),
        (["sandals"], {"filters": {"kind": "oil"}}, "“oil” is no kind"),
    ],
)
def test_invalid_requests_are_refused_with_a_sentence(types, options, words):
    with pytest.raises(CollectionRefused, match=words):
        start_collections([shoe_type(slug) for slug in types], **{"count": 5, **options})
    assert not Collection.objects.exists()


def test_a_type_is_collected_once_at_a_time(engines):
    job = ask(2)
    with pytest.raises(CollectionRefused, match=f"collection {job.pk}, queued"):
        ask(2)
    job.cancel()
    ask(2)


def test_the_types_own_terms_are_the_default():
    kind = shoe_type("sandals")
    kind.search_terms = ["sandals", "summer sandals"]
    kind.save()
    assert start_collections([kind], 5)[0].terms == ["sandals", "summer sandals"]


def test_hits_of_hostile_results_can_be_stored(engines, web):
    engines.put(TERM, [(web.url("404"), "https://x.example/\x00", "a\x00b\ud800c")])
    job = run(ask(1))
    assert job.hits.get().title.isprintable()


def test_accepted_and_rejected_images_are_counted_by_query(engines, web, member):
    engines.put(TERM, shoes(web, range(4)))
    job = run(ask(4))
    decisions.reject(job.images.filter(title="Boot 1"), by=member("Curator"))
    assert accepted_by_query(job) == [(TERM, 4, 1)]


# --- the command --------------------------------------------------------------------------------


def test_the_command_waits_and_prints_the_counts(engines, web, settings, capsys):
    settings.JOB_WAIT_FOR_WORKER_SECONDS = 0
    engines.put(TERM, [*shoes(web, range(3)), (web.url("404"), "", "gone")])
    call_command("collect", "chelsea boots", count=9, term=[TERM], wait=True)
    said = capsys.readouterr().out
    assert "Chelsea boots: 3 of 9 images" in said
    assert "1 refused by the server" in said
    assert "ran dry" in said


def test_the_command_queues_all_types(capsys):
    call_command("collect", all=True, count=3)
    assert Collection.objects.count() == 36


def test_the_command_refuses_an_unknown_type():
    with pytest.raises(CommandError, match="There is no type"):
        call_command("collect", "moon boots of mars")


def test_a_collection_stores_its_options(engines):
    job = ask(3, filters={"kind": "photo", "size": ""}, safe=False)
    assert (job.filters, job.safe_search, asdict(download_limits())["tries"]) == (
        {"kind": "photo"}, False, 2,
    )  # fmt: skip
