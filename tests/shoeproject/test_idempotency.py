"""Idempotency-Key: a repeated request is done once and gets the same answer."""

import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import path
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.access import tokens
from curation.models import Review
from shoeproject.api import optional_cache
from shoeproject.api.idempotency import IdempotentMixin
from shoeproject.urls import urlpatterns as project_urls
from tests.caches import dead_cache, real_cache, valkey  # noqa: F401  (fixtures)
from tests.factories import row, shoe_type

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.shoeproject.test_idempotency")]


class Made(IdempotentMixin, APIView):
    """Makes numbers, and can be told to fail, or to wait for another thread."""

    authentication_classes = permission_classes = ()
    parser_classes = [JSONParser, MultiPartParser]
    number = 0
    entered, leave = threading.Event(), threading.Event()

    def post(self, request):
        if request.data.get("fail") == "refuse":
            raise ValidationError({"fail": "as told"})
        if request.data.get("fail") == "crash":
            raise RuntimeError("as told")
        if request.data.get("wait"):
            Made.entered.set()
            Made.leave.wait(10)
        if "file" in request.data:
            assert request.data["file"].read()
        Made.number += 1
        return Response({"number": Made.number}, 201, headers={"Location": f"/{Made.number}/"})


urlpatterns = [*project_urls, path("made/", Made.as_view()), path("other/", Made.as_view())]


@pytest.fixture(autouse=True)
def fresh():
    Made.number = 0
    Made.entered.clear()
    Made.leave.clear()


def post(client, body=None, key="k", address="/made/", **extra):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key is not None else {}
    return client.post(address, body or {"a": 1}, "application/json", **headers, **extra)


def code(response):
    return response.status_code, response.json()["code"]


def test_the_same_again_gets_the_same_answer(client):
    first, second = post(client), post(client)
    assert first.json() == second.json() == {"number": 1}
    assert first.status_code == second.status_code == 201
    assert second["Location"] == "/1/"
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"


def test_without_a_key_everything_is_done(client):
    assert [post(client, key=None).json()["number"] for _ in range(2)] == [1, 2]


def test_another_key_is_another_request(client):
    assert [post(client, key=key).json()["number"] for key in "ab"] == [1, 2]


def test_order_of_fields_does_not_matter(client):
    post(client, {"a": 1, "b": 2})
    assert post(client, {"b": 2, "a": 1}).json() == {"number": 1}


def test_another_body_is_refused(client):
    post(client, {"a": 1})
    assert code(post(client, {"a": 2})) == (422, "idempotency_key_reused")
    assert Made.number == 1


def test_a_form_is_the_same_whatever_its_boundaries(client):
    def send(data):
        form = {"a": "1", "file": SimpleUploadedFile("a.jpg", data)}
        return client.post("/made/", form, HTTP_IDEMPOTENCY_KEY="k")

    assert send(b"photo").json() == send(b"photo").json() == {"number": 1}
    assert code(send(b"another photo")) == (422, "idempotency_key_reused")


def test_keys_belong_to_an_address_and_a_client(client):
    assert post(client).json() == {"number": 1}
    assert post(client, address="/other/").json() == {"number": 2}
    assert post(client, REMOTE_ADDR="192.0.2.9").json() == {"number": 3}
    assert post(client).json() == {"number": 1}


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ä", "a\tb"])
def test_a_key_that_is_none_is_refused(client, key):
    assert code(post(client, key=key)) == (400, "idempotency_key_invalid")
    assert Made.number == 0


def test_a_refusal_is_not_kept(client):
    assert post(client, {"fail": "refuse"}).status_code == 400
    assert post(client, {"a": 1}).json() == {"number": 1}


def test_a_failure_frees_the_key(client):
    client.raise_request_exception = False
    assert post(client, {"fail": "crash"}).status_code == 500
    assert post(client).json() == {"number": 1}


def test_a_malformed_body_is_a_problem_of_its_own(client):
    response = client.post("/made/", "{", "application/json", HTTP_IDEMPOTENCY_KEY="k")
    assert code(response) == (400, "request_malformed")
    assert post(client).json() == {"number": 1}


def test_a_body_declared_too_large_is_refused_unread(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert code(post(client, {"a": "x" * 20})) == (413, "request_too_large")


def test_an_answer_is_forgotten_in_the_end(client, real_cache):  # noqa: F811
    post(client)
    (key,) = real_cache.keys("*idempotency:*")
    assert 86000 < real_cache.ttl(key) <= 86400


def test_what_is_being_worked_on_is_not_begun_again(real_cache):  # noqa: F811
    body, answers = {"wait": True}, []
    first = threading.Thread(target=lambda: answers.append(post(Client(), body)))
    first.start()
    assert Made.entered.wait(10)
    assert code(post(Client(), body)) == (409, "idempotency_key_busy")
    assert code(post(Client(), {"wait": False})) == (422, "idempotency_key_reused")
    Made.leave.set()
    first.join()
    assert answers[0].json() == {"number": 1}
    assert post(Client(), body).json() == {"number": 1}


def test_many_at_once_do_it_once(real_cache):  # noqa: F811
    found, start = [], threading.Barrier(6)

    def send():
        client = Client()
        start.wait()
        found.append(post(client).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Made.number == 1
    assert set(found) <= {201, 409} and 201 in found


def test_without_a_cache_it_is_done_each_time(client, dead_cache, settings):  # noqa: F811
    settings.CACHE_RETRY_SECONDS = 0
    assert [post(client).json()["number"] for _ in range(2)] == [1, 2]


def test_a_cache_that_dies_meanwhile_does_no_harm(client, real_cache, settings, tmp_path):  # noqa: F811
    thread = threading.Thread(target=post, args=(client, {"wait": True}))
    thread.start()
    assert Made.entered.wait(10)
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": f"unix://{tmp_path}/gone"}
    }
    Made.leave.set()
    thread.join()
    assert Made.number == 1
    optional_cache.reset()


def test_a_decision_sent_twice_is_made_once(client, member):
    image = row(1, label=shoe_type())
    image.save()
    made = tokens.make(member("Curator"), "t", ["curation:write"], tokens.default_end())
    extra = {"HTTP_AUTHORIZATION": f"Bearer {made.secret}"}
    body = {"action": "confirm", "images": [image.sha256]}
    first, second = (post(client, body, address="/api/v1/reviews/", **extra) for _ in range(2))
    assert first.json() == second.json()
    assert first.status_code == second.status_code == 201
    assert Review.objects.count() == 1
