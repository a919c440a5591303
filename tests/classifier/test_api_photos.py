"""The public API: photos as a body, as JSON, several at once; and what is refused of these."""

import base64
import json
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from classifier.api import serializers
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.registry import prediction_limit
from tests import tiny_model
from tests.classifier.test_api import PREDICTIONS, Unread, assert_problem
from tests.drawing import encoded

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def version(tmp_path):
    return tiny_model.activate(tmp_path / "version")


def picture(colour=(255, 0, 0), format="PNG") -> bytes:
    return encoded(Image.new("RGB", (64, 64), colour), format)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def send_json(client, value, query=""):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return client.post(PREDICTIONS + query, body, content_type="application/json")


def send_files(client, *photos, query=""):
    files = [SimpleUploadedFile(f"{i}.png", data) for i, data in enumerate(photos)]
    return client.post(PREDICTIONS + query, {"image": files})


def slugs(response) -> list:
    assert response.status_code == 200, response.content
    return [
        item["type"]["slug"] if "type" in item else item["error"]["code"]
        for item in response.json()["predictions"]
    ]


def bomb(side=8000) -> bytes:
    """A PNG of few bytes and many pixels."""
    rows = zlib.compress(bytes(side * (side + 1)), 9)
    small = encoded(Image.new("L", (1, 1)), "PNG")
    head = side.to_bytes(4) * 2 + small[24:29]

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    parts = [chunk(b"IHDR", head), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return small[:8] + b"".join(parts)


# --- one photo --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["image/png", "image/jpeg", "IMAGE/X-odd", "application/octet-stream"]
)
def test_photo_may_be_the_body(client, kind):
    response = client.generic("POST", PREDICTIONS, picture(), content_type=kind)
    assert response.json()["type"]["slug"] == "chelsea-boots"


def test_body_that_is_too_large_for_a_photo_is_refused_unread(client):
    extra = {"wsgi.input": Unread(), "CONTENT_LENGTH": str(30 * 1024**2)}
    response = client.generic("POST", PREDICTIONS, b"", CONTENT_TYPE="image/png", **extra)
    assert_problem(response, 413, "image_too_large")


def test_empty_body_is_no_photo(client):
    response = client.generic("POST", PREDICTIONS, b"", content_type="image/png")
    assert_problem(response, 400, "image_missing")


@pytest.mark.parametrize(
    "written",
    [
        text(picture()),
        f"data:image/png;base64,{text(picture())}",
        f"DATA:image/png;charset=x;BASE64,{text(picture())}",
        text(picture()).rstrip("="),
        base64.urlsafe_b64encode(picture((1, 254, 60))).decode(),
        base64.encodebytes(picture()).decode(),
    ],
    ids=["plain", "data", "capitals", "unpadded", "urlsafe", "lines"],
)
def test_photo_may_be_base64_in_json(client, written):
    response = send_json(client, {"image": written})
    assert response.json()["verdict"] == "type", response.content


@pytest.mark.parametrize(
    "value",
    ["", "data:,", "data:image/png,abc", "http://127.0.0.1/shoe.png", "a*b", "é", 5, None, True,
     [], {}, {"url": "x"}],
)  # fmt: skip
def test_invalid_base64_is_refused(client, value):
    response = send_json(client, {"image": value})
    assert response.status_code == 400
    assert response.json()["code"] in ("image_not_base64", "image_empty")


def test_base64_is_decoded_like_any_photo(client):
    assert_problem(send_json(client, {"image": text(b"words")}), 415, "image_unsupported")
    assert_problem(send_json(client, {"image": text(picture()[:60])}), 400, "image_broken")


def test_picture_that_unpacks_to_too_much_is_refused(client):
    assert len(bomb()) < 100_000
    refused = send_json(client, {"image": text(bomb())})
    assert_problem(refused, 413, "image_too_many_pixels")


def test_base64_of_too_many_bytes_is_refused_before_it_is_decoded(client, settings):
    settings.IMAGE_MAX_BYTES = 1000
    assert_problem(send_json(client, {"image": "A" * 2000}), 413, "image_too_large")


# --- invalid JSON -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '"x"', "5", "null", "[" * 5_000_000, '{"a":' * 1_000_000, "[]," * 1_000_000,
     '{"image": "' + "A" * 100, b"\xff\xfe\x00", "9" * 1_000_000, '{"image": NaN}'],
    ids=range(13),
)  # fmt: skip
def test_json_that_cannot_be_used_is_refused(client, body):
    response = send_json(client, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] in ("request_malformed", "image_not_base64", "image_missing")


@pytest.mark.parametrize(
    "value, code",
    [
        ({}, "image_missing"),
        ({"photo": "x"}, "image_missing"),
        ({"images": []}, "image_missing"),
        ({"images": "x"}, "request_malformed"),
        ({"images": {"0": "x"}}, "request_malformed"),
        ({"images": ["x"], "image": "x"}, "request_malformed"),
    ],
)
def test_json_without_photos_is_refused(client, value, code):
    assert_problem(send_json(client, value), 400, code)


# --- several ----------------------------------------------------------------------------------


def test_several_files_are_answered_in_their_order(client):
    response = send_files(client, picture((0, 0, 255)), picture(), picture((0, 255, 0)))
    assert slugs(response) == ["brogues", "chelsea-boots", "running-shoes"]
    assert response["Cache-Control"] == "no-store"


def test_one_broken_photo_does_not_spoil_the_others(client):
    response = send_files(client, picture(), picture()[:60], b"words", b"", picture((0, 0, 255)))
    assert slugs(response) == [
        "chelsea-boots", "image_broken", "image_unsupported", "image_empty", "brogues",
    ]  # fmt: skip
    failed = response.json()["predictions"][1]
    assert serializers.FailedSerializer(data=failed).is_valid()
    assert failed["error"]["detail"].endswith(".")


def test_several_in_json_are_answered_in_their_order(client):
    photos = [text(picture((0, 0, 255))), 5, None, "*", f"data:image/png;base64,{text(picture())}"]
    response = send_json(client, {"images": photos})
    refused = ["image_not_base64"] * 3
    assert slugs(response) == ["brogues", *refused, "chelsea-boots"]


def test_list_of_one_is_a_list(client):
    assert slugs(send_json(client, {"images": [text(picture())]})) == ["chelsea-boots"]


def test_more_photos_than_allowed_are_refused(client, settings):
    settings.PREDICT_MOST_PHOTOS = 2
    problem = assert_problem(send_files(client, *[picture()] * 3), 413, "images_too_many")
    assert "3 photos" in problem["detail"]
    many = {"images": [text(picture())] * 3}
    assert_problem(send_json(client, many), 413, "images_too_many")


def test_photos_of_a_form_may_together_be_larger_than_one(client, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    assert slugs(send_files(client, picture(), picture())) == ["chelsea-boots"] * 2


def test_several_are_explained_on_request(client):
    response = send_files(client, picture(), picture((0, 0, 255)), query="?explain=1")
    assert all("explain" in item for item in response.json()["predictions"])


def test_several_are_refused_with_the_time_to_wait_when_too_busy(client, monkeypatch):
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    monkeypatch.setattr(prediction_limit, "limit", guard)
    with guard.turn():
        response = send_files(client, picture(), picture())
    assert_problem(response, 503, "too_busy")
    assert int(response["Retry-After"]) > 0


def test_each_photo_counts_for_the_rate(client, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "predict": ("3/min", "")}
    found = slugs(send_files(client, *[picture()] * 5))
    assert found == ["chelsea-boots"] * 3 + ["throttled"] * 2
    assert send_files(client, picture()).status_code == 429
