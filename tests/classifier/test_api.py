"""The public API: a photo in every format, and every way to be refused."""

import logging
from base64 import b64encode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import FakePayload
from PIL import Image

from classifier.api import serializers
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.models import Feedback
from classifier.registry import prediction_limit, serving
from curation.models import ShoeImage
from shoeproject.api.problems import ProblemSerializer
from shoeproject.urls import urlpatterns as project_urls
from tests import tiny_model
from tests.drawing import FORMATS, encoded, shoe

pytestmark = pytest.mark.django_db

# As in the project's own, so that the handlers are tested wherever they are hung up.
urlpatterns = project_urls
handler400 = "classifier.views.error_pages.bad_request"
handler404 = "classifier.views.error_pages.not_found"
handler500 = "classifier.views.error_pages.server_error"

PREDICTIONS = "/api/v1/predictions/"


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


@pytest.fixture
def no_model():
    serving.forget()


def red(format="PNG") -> bytes:
    return encoded(Image.new("RGB", (64, 64), (255, 0, 0)), format)


def send(client, data: bytes, name="shoe.jpg", **extra):
    return client.post(PREDICTIONS, {"image": SimpleUploadedFile(name, data)}, **extra)


def assert_problem(response, status: int, code: str) -> dict:
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    assert ProblemSerializer(data=body).is_valid()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"] and body["detail"].endswith(".")
    return body


# --- predictions ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_answered(client, version, format):
    response = send(client, red(format), name="photo.bin")
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["verdict"] == "type"
    assert answer["type"]["slug"] == "chelsea-boots"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "application/json"


def test_answer_has_the_fields_that_the_schema_promises(client, version):
    answer = send(client, red()).json()
    assert set(answer) == set(serializers.AnswerSerializer().fields) - {"explain"}
    assert set(answer["type"]) == set(serializers.AnsweredTypeSerializer().fields)
    assert set(answer["category"]) == set(serializers.AnsweredCategorySerializer().fields)
    assert set(answer["model"]) == set(serializers.ModelSerializer().fields)
    for entry in answer["top"]:
        assert set(entry) == set(serializers.ClosestTypeSerializer().fields)


def test_address_without_the_slash_takes_the_photo_too(client, version):
    response = client.post(PREDICTIONS.rstrip("/"), {"image": SimpleUploadedFile("s", red())})
    assert response.json()["verdict"] == "type"


def test_neither_account_nor_csrf_token_is_needed(version, admin_user):
    client = Client(enforce_csrf_checks=True)
    assert send(client, red()).status_code == 200
    client.force_login(admin_user)
    assert send(client, red()).status_code == 200


def test_nothing_of_a_photo_is_stored(client, version):
    response = send(client, red())
    assert not response.cookies
    assert ShoeImage.objects.count() == Feedback.objects.count() == 0


# --- what a photo may be refused for ----------------------------------------------------------


@pytest.mark.parametrize(
    "data, status, code",
    [
        (b"", 400, "image_empty"),
        (encoded(shoe())[:2000], 400, "image_broken"),
        (b"%PDF-1.7 not a picture", 415, "image_unsupported"),
        (b"just words", 415, "image_unsupported"),
    ],
)
def test_file_that_is_no_picture_is_refused(client, version, data, status, code):
    assert_problem(send(client, data), status, code)


@pytest.mark.parametrize(
    "setting, format, code",
    [
        ("IMAGE_MAX_PIXELS", "PNG", "image_too_many_pixels"),
        ("IMAGE_MAX_PIXELS_JPEG", "JPEG", "image_too_many_pixels"),
        ("IMAGE_MAX_BYTES", "PNG", "image_too_large"),
    ],
)
def test_photo_beyond_the_limits_is_refused(client, version, settings, setting, format, code):
    setattr(settings, setting, 50)
    assert_problem(send(client, red(format)), 413, code)


def test_picture_with_one_endless_side_is_refused(client, version):
    line = encoded(Image.new("1", (40_000, 1)), "PNG")
    assert_problem(send(client, line), 413, "image_side_too_long")


class Unread:
    """A body that must not be read."""

    def read(self, *args):
        raise AssertionError("the body was read")

    readline = read


def unread(client, **extra):
    kind = "multipart/form-data; boundary=x"
    return client.generic(
        "POST", PREDICTIONS, b"", content_type=kind, **{"wsgi.input": Unread(), **extra}
    )


def test_body_declared_too_large_is_refused_unread(client, version):
    response = unread(client, CONTENT_LENGTH=str(50 * 1024**2))
    problem = assert_problem(response, 413, "request_too_large")
    assert problem["detail"] == (
        "The request has 50.0 MB and 48.0 MB are allowed; send fewer or smaller photos."
    )


def test_body_of_undeclared_length_is_refused_unread(client, version):
    response = unread(client, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    assert_problem(response, 411, "length_required")


def test_form_without_a_photo_is_refused(client, version):
    assert_problem(client.post(PREDICTIONS), 400, "image_missing")
    assert_problem(client.post(PREDICTIONS, {"image": "a word"}), 400, "image_missing")
    other = {"photo": SimpleUploadedFile("s.png", red())}
    assert_problem(client.post(PREDICTIONS, other), 400, "image_missing")


# --- what a request may be refused for --------------------------------------------------------


def test_wrong_method_says_which_is_right(client):
    response = client.get(PREDICTIONS)
    assert "POST" in assert_problem(response, 405, "method_not_allowed")["detail"]
    assert "POST" in response["Allow"]
    assert_problem(client.post("/api/v1/types/"), 405, "method_not_allowed")


def test_text_instead_of_a_photo_is_told_the_accepted_types(client, version):
    response = client.post(PREDICTIONS, "shoe", content_type="text/plain")
    problem = assert_problem(response, 415, "unsupported_media_type")
    assert "multipart/form-data or application/json or image/*" in problem["detail"]


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=é", "multipart/form-data; boundary="],
)
def test_malformed_form_is_a_problem(client, version, kind):
    response = client.generic("POST", PREDICTIONS, b"not a form", content_type=kind)
    assert_problem(response, 400, "request_malformed")


def test_form_that_ends_too_early_is_a_problem(client, version):
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nGIF8'
    response = client.generic(
        "POST", PREDICTIONS, body, content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code in (400, 415)
    assert response["Content-Type"] == "application/problem+json"


def test_too_many_files_and_fields_are_a_problem(client, version, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    files = {f"f{n}": SimpleUploadedFile("a.png", b"x") for n in range(5)}
    assert_problem(client.post(PREDICTIONS, files), 400, "request_refused")
    fields = {f"f{n}": "x" for n in range(5)}
    assert_problem(client.post(PREDICTIONS, fields), 400, "request_refused")


def test_too_much_text_is_a_problem(client, version, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 50
    assert_problem(client.post(PREDICTIONS, {"note": "x" * 100}), 413, "request_too_large")


def test_client_that_accepts_no_json_is_refused(client):
    assert_problem(client.get("/api/v1/types/", HTTP_ACCEPT="text/csv"), 406, "not_acceptable")


@pytest.mark.urls("tests.classifier.test_api")
def test_unknown_address_is_a_problem(client):
    assert_problem(client.get("/api/v1/nothing/"), 404, "not_found")


@pytest.mark.urls("tests.classifier.test_api")
def test_unexpected_error_is_a_problem_and_is_logged(client, version, monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("secret")

    monkeypatch.setattr("classifier.answers.answer.predict", fail)
    client.raise_request_exception = False
    with caplog.at_level(logging.ERROR, "django.request"):
        problem = assert_problem(send(client, red()), 500, "server_error")
    assert "secret" not in str(problem)
    assert "secret" in caplog.text


# --- no model, too busy -----------------------------------------------------------------------


def test_without_a_model_it_says_when_to_come_back(client, no_model):
    response = send(client, red())
    assert_problem(response, 503, "no_model")
    assert int(response["Retry-After"]) > 0


def test_full_queue_is_refused_with_the_time_to_wait(client, version, monkeypatch):
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    monkeypatch.setattr(prediction_limit, "limit", guard)
    with guard.turn():
        response = send(client, red())
        assert_problem(response, 503, "too_busy")
        assert int(response["Retry-After"]) > 0
    assert send(client, red()).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/v1/predictions/", lambda: red(), "image/png"),
        ("/api/v1/predictions/", lambda: {"image": in_base64()}, "application/json"),
        ("/api/v1/predictions/", lambda: {"images": [in_base64()] * 2}, "application/json"),
        ("/run/predict", lambda: {"data": [in_base64()]}, "application/json"),
        ("/models/shoe-type-recognizer", lambda: {"inputs": in_base64()}, "application/json"),
    ],
)
def test_no_reference_to_an_answered_photo_stays_in_memory(client, version, path, body, kind):
    response = client.post(path, body(), kind)
    assert response.status_code == 200
    kept = response.renderer_context["request"]
    # All that the request has, but for the client's own copy of what it sent.
    held = [*vars(kept).values(), *vars(kept._request).values()]
    long = [each for each in held if isinstance(each, bytes | str | dict | list) and each]
    assert not any(in_base64() in str(each) or red() == each for each in long)
    assert not hasattr(kept._request, "_body")


def in_base64() -> str:
    return "data:image/png;base64," + b64encode(red()).decode()


@pytest.fixture
def sent_while_busy(client, version, monkeypatch):
    """Sends 300 kB to a site without a place: the answer, and how many bytes were not read."""

    def send():
        guard = ConcurrencyLimit(concurrency=1, queue=0)
        monkeypatch.setattr(prediction_limit, "limit", guard)
        body = bytes(300_000)
        coming = FakePayload(body)
        with guard.turn():
            response = client.generic(
                "POST", "/api/v1/predictions/", body, "image/jpeg", **{"wsgi.input": coming}
            )
        return response, len(coming)

    return send


def test_busy_site_reads_a_photo_to_its_end(sent_while_busy):
    response, unread = sent_while_busy()
    assert_problem(response, 503, "too_busy")
    assert unread == 0, "a client that is still sending does not see the answer"


def test_busy_site_refuses_what_is_too_long_unread(sent_while_busy, settings):
    settings.PREDICT_MOST_BYTES = 100_000
    response, unread = sent_while_busy()
    assert_problem(response, 413, "request_too_large")
    assert unread == 300_000
