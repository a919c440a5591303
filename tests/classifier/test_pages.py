"""The site's pages as a browser without JavaScript gets them."""

import html
import re
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from classifier.answers import feedback
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.registry import prediction_limit, serving
from curation.models import ShoeType
from shoeproject.urls import urlpatterns as project_urls
from tests import tiny_model
from tests.drawing import encoded

pytestmark = pytest.mark.django_db

urlpatterns = project_urls
handler400 = "classifier.views.error_pages.bad_request"
handler404 = "classifier.views.error_pages.not_found"
handler500 = "classifier.views.error_pages.server_error"

PATHS = ["/", "/guide/", "/guide/category/boots/", "/guide/uggs/", "/privacy/", "/withdraw/"]
OWN_TEMPLATES = [
    path
    for path in (project.BASE_DIR / "templates").rglob("*.html")
    if path.parent.name in ("templates", "site")
]


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


@pytest.fixture
def no_model():
    serving.forget()


def picture(colour=(255, 0, 0)):
    data = encoded(Image.new("RGB", (64, 64), colour), "PNG")
    return SimpleUploadedFile("shoe.png", data, content_type="image/png")


def text(response) -> str:
    """What a person reads: no tags, entities resolved, single spaces."""
    body = re.sub(r"<template.*?</template>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


# --- recognising ------------------------------------------------------------------------------


def test_form_offers_gallery_and_camera(client, version):
    page = client.get("/").content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert "csrfmiddlewaretoken" in page
    assert page.count('type="file"') == 2
    assert 'capture="environment"' in page
    assert "knows 8 of the 36 types" in text(client.get("/"))


def test_photo_sent_without_javascript_is_answered_on_the_same_page(version):
    client = Client(enforce_csrf_checks=True)
    page = client.get("/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    response = client.post("/", {"csrfmiddlewaretoken": token, "image": picture()})
    content, row = text(response), ShoeType.objects.get(slug="chelsea-boots")
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert "Chelsea boots" in content and "Boots" in content
    for sentence in [*row.pros, *row.cons, *row.distinction]:
        assert sentence in content
    assert response.content.decode().count("<meter") == 5 + 1, "five, and the script's template"
    assert "nothing of it was kept" in content
    assert "data-recogniser" in response.content.decode(), "the next photo can follow"


@pytest.mark.parametrize(
    "colour, headline",
    [
        ((226, 0, 0), "Boots, probably Army boots or Chelsea boots"),
        ((0, 255, 255), "Not sure – this photo does not tell"),
        ((0, 0, 0), "This does not look like a shoe"),
    ],
)
def test_every_verdict_is_worded(client, version, colour, headline):
    content = text(client.post("/", {"image": picture(colour)}))
    assert headline in content
    assert "Closest types" in content
    assert "Pros" not in content


def test_form_without_csrf_token_is_asked_to_be_sent_again(version):
    response = Client(enforce_csrf_checks=True).post("/", {"image": picture()})
    assert response.status_code == 403
    assert "Please send it again" in text(response)


@pytest.mark.parametrize(
    "data, status, words",
    [
        ({}, 400, "No photo was chosen"),
        ({"image": SimpleUploadedFile("a.pdf", b"%PDF-1.7")}, 415, "a PDF"),
        ({"image": SimpleUploadedFile("a.jpg", b"\xff\xd8\xff\xe0 cut")}, 400, "damaged"),
    ],
)
def test_unusable_photo_gets_a_message(client, version, data, status, words):
    response = client.post("/", data)
    assert response.status_code == status
    assert "This did not work" in text(response)
    assert words in text(response)
    assert "data-recogniser" in response.content.decode()


def test_body_declared_too_large_is_refused_before_it_is_read(client, version):
    class Unread:
        def read(self, *args):
            raise AssertionError("the body was read")

        readline = read

    response = client.generic(
        "POST",
        "/",
        b"",
        content_type="multipart/form-data; boundary=x",
        **{"wsgi.input": Unread(), "CONTENT_LENGTH": str(50 * 1024**2)},
    )
    assert response.status_code == 413
    assert "20.0 MB are allowed" in text(response)


def test_malformed_and_overfull_forms_are_answered_with_the_page(client, version, settings):
    response = client.generic("POST", "/", b"no form", content_type="multipart/form-data")
    assert response.status_code == 400
    assert "This did not work" in text(response)
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1
    response = client.post("/", {"a": picture(), "b": picture()})
    assert response.status_code == 400
    assert "This did not work" in text(response)


def test_busy_site_says_when_to_come_back(client, version, monkeypatch):
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    monkeypatch.setattr(prediction_limit, "limit", guard)
    with guard.turn():
        response = client.post("/", {"image": picture()})
    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert "try again in 2 seconds" in text(response)


def test_without_a_model_visitors_get_a_notice_and_staff_a_link(client, no_model, admin_user):
    response = client.get("/")
    assert "No model is active" in text(response)
    assert "data-recogniser" not in response.content.decode()
    assert "/admin/" not in response.content.decode()
    assert client.post("/", {"image": picture()}).status_code == 503
    client.force_login(admin_user)
    assert 'href="/admin/"' in client.get("/").content.decode()


# --- the guide --------------------------------------------------------------------------------


def test_guide_holds_every_type_with_its_text(client, version):
    page = client.get("/guide/")
    content = text(page)
    for row in ShoeType.objects.filter(kind="type"):
        assert row.name in content
        assert row.distinction[0] in content
        assert f'id="{row.slug}"' in page.content.decode()
    assert "Not a shoe" not in content


def test_guide_marks_what_the_model_never_learnt(client, version):
    assert text(client.get("/guide/")).count("not learnt yet") == 36 - 8
    assert "not learnt yet" in text(client.get("/guide/golf-shoes/"))
    assert "not learnt yet" not in text(client.get("/guide/chelsea-boots/"))


def test_guide_is_open_without_a_model_and_marks_nothing(client, no_model):
    content = text(client.get("/guide/"))
    assert "No model is active" in content
    assert "not learnt yet" not in content


def test_merged_type_leads_to_its_survivor(client, version):
    into = ShoeType.objects.get(slug="cowboy-boots")
    ShoeType.objects.filter(slug="army-boots").update(merged_into=into)
    response = client.get("/guide/army-boots/")
    assert (response.status_code, response["Location"]) == (302, "/guide/cowboy-boots/")
    assert 'id="army-boots"' not in client.get("/guide/").content.decode()


@pytest.mark.urls("tests.classifier.test_pages")
@pytest.mark.parametrize("path", ["/guide/no-such-type/", "/guide/not-a-shoe/", "/nowhere/"])
def test_what_does_not_exist_gets_a_page_with_a_way_out(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert 'href="/guide/"' in response.content.decode()


@pytest.mark.urls("tests.classifier.test_pages")
def test_unforeseen_error_gets_a_page_without_its_reason(client, version, monkeypatch):
    def fail(*args):
        raise RuntimeError("secret")

    monkeypatch.setattr("classifier.answers.answer.predict", fail)
    client.raise_request_exception = False
    response = client.post("/", {"image": picture()})
    assert response.status_code == 500
    assert "Something went wrong here" in text(response)
    assert "secret" not in response.content.decode()


@pytest.mark.parametrize("path", PATHS)
def test_pages_take_few_queries(client, version, django_assert_max_num_queries, path):
    # The guide asks for one more: the other words that its types are found by.
    with django_assert_max_num_queries(4 if path == "/guide/" else 3):
        client.get(path)


def test_privacy_says_what_is_kept_of_feedback(client):
    content = text(client.get("/privacy/"))
    assert "unless you give it" in content
    assert feedback.CONSENT in content
    assert 'href="/withdraw/"' in client.get("/privacy/").content.decode()


def test_privacy_says_how_long_an_answer_can_be_referred_to(client, settings):
    assert "valid for 7 days" in text(client.get("/privacy/"))
    settings.ANSWER_ID_HOURS = 12
    assert "valid for 12 hours" in text(client.get("/privacy/"))


# --- nothing inline, nothing from elsewhere ---------------------------------------------------


@pytest.mark.urls("tests.classifier.test_pages")
@pytest.mark.parametrize("path", [*PATHS, "/a/unknown/", "/nowhere/"])
def test_pages_allow_nothing_but_their_own_files(client, version, path):
    response = client.get(path)
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert "'unsafe" not in response["Content-Security-Policy"]
    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", response.content.decode())


@pytest.mark.parametrize("path", OWN_TEMPLATES, ids=lambda path: path.name)
def test_templates_carry_no_inline_script_or_style(path: Path):
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", source)
