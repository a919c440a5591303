"""The admin pages of collections: start, watch, results."""

import pytest
from django.urls import reverse

from curation.collect.start import start_collections
from curation.models import Collection, Hit, ShoeType
from tests.factories import shoe_type, stored_image

pytestmark = pytest.mark.django_db
ADD = "admin:curation_collection_add"


@pytest.fixture
def curator(client, member):
    client.force_login(member("Curator"))
    return client


def asked(**changes) -> dict:
    usual = {"types": [shoe_type().pk], "count": 20, "terms": "", "safe_search": "on"}
    return usual | changes


def hit(job, number, **fields) -> Hit:
    return Hit.objects.create(
        collection=job, provider="duckduckgo", query="boots", rank=number,
        file_url=f"https://x.example/{number}.jpg", url_sha256=f"{number:064d}", **fields,
    )  # fmt: skip


def test_a_collection_is_queued_for_each_type_chosen(curator):
    types = [shoe_type(slug).pk for slug in ("sandals", "brogues")]
    answer = curator.post(reverse(ADD), asked(types=types, filter_colour="red"), follow=True)
    assert "2 collections are queued" in answer.text
    assert set(Collection.objects.values_list("shoe_type__slug", "count", "state")) == {
        ("sandals", 20, "queued"), ("brogues", 20, "queued"),
    }  # fmt: skip
    job = Collection.objects.first()
    assert (job.filters, job.safe_search, job.asked_by.username) == ({"colour": "red"}, True, "kim")


def test_one_type_redirects_to_its_collection(curator):
    answer = curator.post(reverse(ADD), asked(terms="red boots\n\nboots, red"))
    job = Collection.objects.get()
    assert answer.headers["Location"] == reverse("admin:curation_collection_change", args=[job.pk])
    assert job.terms == ["red boots", "boots, red"]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"types": []}, "Choose a type at least."),
        ({"count": ""}, "This field is required."),
        ({"count": "0"}, "greater than or equal to 1"),
        ({"count": "9999999"}, "Ask for 1 to 5000 images"),
        ({"types": ["sandals", "brogues"], "terms": "boots"}, "Search terms belong to one type"),
        ({"filter_kind": "oil"}, "Select a valid choice"),
        ({"types": ["99999"]}, "Select a valid choice"),
    ],
)
def test_an_invalid_form_shows_the_error_and_keeps_the_choices(curator, changes, words):
    if "types" in changes:  # primary keys, which differ from one database to the next
        known = dict(ShoeType.objects.values_list("slug", "pk"))
        changes = {**changes, "types": [known.get(slug, slug) for slug in changes["types"]]}
    answer = curator.post(reverse(ADD), asked(**changes))
    assert words in answer.text
    assert "Nothing was queued" in answer.text
    assert not Collection.objects.exists()


def test_a_type_with_an_open_collection_is_refused_with_its_number(curator):
    curator.post(reverse(ADD), asked())
    answer = curator.post(reverse(ADD), asked())
    assert f"collection {Collection.objects.get().pk}, queued" in answer.text
    assert f'value="{shoe_type().pk}" checked' in answer.text


def test_a_trainer_may_not_collect(client, member):
    client.force_login(member("Trainer"))
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse(ADD), asked()).status_code == 403


def test_the_page_shows_the_counts_of_results(curator):
    job = start_collections([shoe_type()], 3, filters={"licence": "public"})[0]
    image = stored_image(1, label=None, collection=job, query="boots")
    hit(job, 1, outcome="accepted", image=image)
    hit(job, 2, outcome="refused", reason="near-copy", detail="It is a copy of image 1.")
    hit(job, 3)
    page = curator.get(reverse("admin:curation_collection_change", args=[job.pk])).text
    for words in ("Licence: Public domain", "a copy of one that is here", "not looked at"):
        assert words in page
    assert f"{reverse('admin:curation_queue')}?collection={job.pk}" in page
    rows = curator.get(reverse("admin:curation_collection_progress", args=[job.pk])).json()["rows"]
    assert rows == [
        ["found", 3], ["fetched", 2], ["came in", 1], ["not looked at", 1],
        ["a copy of one that is here", 1],
    ]  # fmt: skip


def test_results_are_listed_by_collection_in_few_queries(curator, django_assert_max_num_queries):
    job, other = start_collections([shoe_type(), shoe_type("sandals")], 3)
    for number in range(30):
        hit(job, number, outcome="refused", reason="tls")
    hit(other, 31, outcome="refused", reason="tls", detail="<b>bold</b>")
    address = reverse("admin:curation_hit_changelist")
    with django_assert_max_num_queries(12):
        page = curator.get(address, {"collection": job.pk, "reason": "tls"}).text
    assert page.count("https://x.example/") == 30
    assert "no secure connection" in page
    page = curator.get(address, {"collection": other.pk}).text
    assert "&lt;b&gt;bold" in page and "<b>bold" not in page


def test_pause_and_resume_from_the_page(curator):
    job = start_collections([shoe_type()], 3)[0]
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        curator.post(reverse(f"admin:curation_collection_{verb}", args=[job.pk]))
        job.refresh_from_db()
        assert job.state == state
