"""The public API: feedback on an answer, with a photo or without, and removing the photo."""

import base64
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from classifier.answers import answer, feedback
from classifier.api.feedback import FeedbackGivenSerializer
from classifier.models import Feedback
from curation.models import ShoeImage
from tests import tiny_model
from tests.classifier.test_api import Unread, assert_problem
from tests.drawing import encoded
from tests.factories import jpeg

pytestmark = pytest.mark.django_db
FEEDBACK, WITHDRAW = "/api/v1/feedback/", "/api/v1/feedback/withdraw/"


@pytest.fixture(autouse=True)
def version(tmp_path):
    return tiny_model.activate(tmp_path / "version")


def new_answer_id() -> str:
    return answer.recognise(encoded(Image.new("RGB", (64, 64), (255, 0, 0)), "PNG"))["id"]


def send(client, method="post", where=FEEDBACK, raw=None, **fields):
    body = json.dumps(fields) if raw is None else raw
    return getattr(client, method)(where, body, content_type="application/json")


def text(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def test_feedback_without_a_photo(client):
    response = send(client, id=new_answer_id(), right=False, type="loafers")
    assert (response.status_code, response.json()) == (201, {"type": "loafers", "photo": None})
    assert response["Cache-Control"] == "no-store"
    assert Feedback.objects.get().shoe_type.slug == "loafers"


def test_photo_in_json_is_kept_with_consent(client):
    fields = {"id": new_answer_id(), "right": True, "image": text(jpeg(1)), "consent": True}
    given = send(client, **fields).json()
    assert set(given) == set(FeedbackGivenSerializer().fields)
    assert (given["type"], given["photo"]) == ("chelsea-boots", "stored")
    assert ShoeImage.objects.get().consent == feedback.CONSENT


def test_photo_in_a_form_is_kept_with_consent(client):
    fields = {"id": new_answer_id(), "right": "false", "type": "loafers", "consent": "on"}
    photo = SimpleUploadedFile("shoe.jpg", jpeg(1))
    given = client.post(FEEDBACK, {**fields, "image": photo}).json()
    assert given["photo"] == "stored"
    assert ShoeImage.objects.get().proposed.slug == "loafers"


def test_known_photo_says_so_and_no_more(client):
    fields = {"right": True, "image": text(jpeg(1)), "consent": True}
    send(client, id=new_answer_id(), **fields)
    given = send(client, id=new_answer_id(), **fields).json()
    assert given == {"type": "chelsea-boots", "photo": "known"}


@pytest.mark.parametrize("consent", [{}, {"consent": False}])
def test_photo_without_consent_is_refused_and_nothing_kept(client, consent):
    fields = {"id": new_answer_id(), "right": True, "image": text(jpeg(1)), **consent}
    assert_problem(send(client, **fields), 400, "consent_missing")
    assert not Feedback.objects.exists() and not ShoeImage.objects.exists()


def test_second_feedback_is_a_conflict(client):
    answer_id = new_answer_id()
    send(client, id=answer_id, right=True)
    assert_problem(send(client, id=answer_id, right=False), 409, "feedback_given")


def test_same_request_sent_twice_with_a_key_gets_the_same_code(client):
    fields = {"id": new_answer_id(), "right": True, "image": text(jpeg(1)), "consent": True}
    responses = [
        client.post(
            FEEDBACK, json.dumps(fields), content_type="application/json",
            headers={"Idempotency-Key": "a-key"},
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [r.status_code for r in responses] == [201, 201]
    assert responses[0].json() == responses[1].json()
    assert Feedback.objects.count() == 1


@pytest.mark.parametrize(
    "fields, code",
    [
        ({}, "invalid"),
        ({"right": True}, "invalid"),
        ({"id": "x"}, "invalid"),
        ({"id": "x", "right": "perhaps"}, "invalid"),
        ({"id": "x", "right": None}, "invalid"),
        ({"id": ["x"], "right": True}, "invalid"),
        ({"id": "x" * 5000, "right": True}, "invalid"),
        ({"id": "x\x00", "right": True}, "invalid"),
        ({"id": "x", "right": True, "type": 5.5}, "answer_unknown"),
        ({"id": "x", "right": True, "type": {"a": 1}}, "invalid"),
        ({"id": "x", "right": True, "type": "y" * 100}, "invalid"),
        ({"id": "x", "right": True, "image": None}, "invalid"),
        ({"id": "x", "right": True, "image": 5}, "image_not_base64"),
        ({"id": "x", "right": True, "image": ""}, "image_empty"),
        ({"id": "x", "right": True}, "answer_unknown"),
    ],
)
def test_invalid_feedback_is_refused(client, fields, code):
    assert_problem(send(client, **fields), 400, code)
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("slug", ["moon-boots", "é", "'; drop table", "../x"])
def test_unknown_type_is_refused(client, slug):
    assert_problem(send(client, id=new_answer_id(), right=False, type=slug), 400, "type_unknown")


@pytest.mark.parametrize("raw", ["", "[]", "[" * 100_000, '"x"', "{"])
def test_invalid_json_is_refused(client, raw):
    response = send(client, raw=raw)
    assert response.status_code == 400
    assert response.json()["code"] in ("request_malformed", "invalid")


def test_two_photos_in_one_form_are_refused(client):
    photos = [SimpleUploadedFile(f"{n}.jpg", jpeg(n)) for n in range(2)]
    fields = {"id": new_answer_id(), "right": "true", "consent": "true", "image": photos}
    assert_problem(client.post(FEEDBACK, fields), 400, "image_several")


def test_broken_photo_is_refused(client):
    fields = {"id": new_answer_id(), "right": True, "consent": True}
    assert_problem(send(client, image=text(jpeg(1)[:900]), **fields), 400, "image_broken")
    assert_problem(send(client, image=text(b"words"), **fields), 415, "image_unsupported")
    assert send(client, image=text(jpeg(1)), **fields).status_code == 201


def test_body_declared_too_large_is_refused_unread(client):
    extra = {"wsgi.input": Unread(), "CONTENT_LENGTH": str(60 * 1024**2)}
    response = client.generic("POST", FEEDBACK, b"", CONTENT_TYPE="application/json", **extra)
    assert_problem(response, 413, "request_too_large")


def test_neither_account_nor_csrf_token_is_needed(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert send(client, id=new_answer_id(), right=True).status_code == 201


# --- removing the photo -----------------------------------------------------------------------


def code_of(client) -> str:
    fields = {"id": new_answer_id(), "right": True, "image": text(jpeg(1)), "consent": True}
    return send(client, **fields).json()["code"]


@pytest.mark.parametrize("method", ["post", "delete"])
def test_code_removes_the_photo_and_may_be_sent_again(client, method):
    code = code_of(client)
    for _ in range(2):
        response = send(client, method, WITHDRAW, code=code)
        assert (response.status_code, response.content) == (204, b"")
    assert ShoeImage.objects.get().state == "purged"


def test_code_may_come_in_a_form_and_without_the_slash(client):
    code = code_of(client)
    assert client.post(WITHDRAW.rstrip("/"), {"code": code.lower()}).status_code == 204


@pytest.mark.parametrize("code", ["AAAAA-AAAAA-AAAAA-AAAAA", "é", "-"])
def test_unknown_code_is_not_found(client, code):
    code_of(client)
    assert_problem(send(client, "post", WITHDRAW, code=code), 404, "withdrawal_unknown")
    assert ShoeImage.objects.get().state == "unreviewed"


@pytest.mark.parametrize("fields", [{}, {"code": ""}, {"code": None}, {"code": ["x"]},
                                    {"code": "x" * 200}])  # fmt: skip
def test_withdrawal_without_a_code_is_refused(client, fields):
    assert_problem(send(client, "post", WITHDRAW, **fields), 400, "invalid")


@pytest.mark.parametrize("where, verbs", [(FEEDBACK, "POST, OPTIONS"),
                                          (WITHDRAW, "POST, DELETE, OPTIONS")])  # fmt: skip
def test_options_and_other_verbs(client, where, verbs):
    assert client.options(where)["Allow"] == verbs
    assert_problem(client.get(where), 405, "method_not_allowed")
