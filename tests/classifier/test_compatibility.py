"""Clients of other servers: Gradio 3, Hugging Face's inference API. And browsers on other sites."""

import base64
import json

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from classifier.inference.concurrency import ConcurrencyLimit
from classifier.registry import prediction_limit, serving
from curation.models import ShoeType
from tests import tiny_model
from tests.drawing import encoded

GRADIO, HUGGING_FACE = "/api/predict", "/models/shoe-type-recognizer"


@pytest.fixture
def version(tmp_path, db):
    return tiny_model.activate(tmp_path / "version")


def photo(colour=(255, 0, 0), format="PNG") -> bytes:
    return encoded(Image.new("RGB", (64, 64), colour), format)


def address(data: bytes, kind="image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def post(client, where, value):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return client.post(where, body, content_type="application/json")


def assert_error(response, status, code):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["error"].endswith(".")
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


# --- Gradio -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", ["/api/predict", "/api/predict/", "/run/predict", "/run/predict/"]
)
def test_gradio_client_gets_an_answer_like_gradios(client, version, where):
    sent = {"data": [address(photo())], "fn_index": 0, "session_hash": "x"}
    response = post(client, where, sent)
    answer = response.json()
    assert set(answer) == {"data", "is_generating", "duration", "average_duration"}
    (label,) = answer["data"]
    assert label["label"] == "Chelsea Boot", "the first model's name, letter for letter"
    assert label["confidences"][0]["label"] == "Chelsea Boot"
    assert len(label["confidences"]) == 5
    shares = [entry["confidence"] for entry in label["confidences"]]
    assert shares == sorted(shares, reverse=True)
    assert answer["is_generating"] is False
    assert 0 < answer["duration"] < 60 and 0 < answer["average_duration"] < 60


def test_labels_are_the_first_models_names(client, version):
    answer = post(client, GRADIO, {"data": [address(photo())]}).json()
    names = {entry["label"] for entry in answer["data"][0]["confidences"]}
    assert names <= set(ShoeType.objects.values_list("original_label", flat=True))


def test_type_that_the_first_model_did_not_have_goes_by_its_name(client, version):
    ShoeType.objects.filter(slug="chelsea-boots").update(original_label="")
    answer = post(client, GRADIO, {"data": [address(photo())]}).json()
    assert answer["data"][0]["label"] == "Chelsea boots"


def test_five_labels_come_whatever_the_verdict(client, version):
    answer = post(client, GRADIO, {"data": [address(photo((0, 0, 0)))]}).json()
    assert len(answer["data"][0]["confidences"]) == 5


def test_gradio_takes_its_own_older_form_of_a_file(client, version):
    sent = {"data": [{"name": "a.png", "data": address(photo())}]}
    assert post(client, GRADIO, sent).json()["data"][0]["label"] == "Chelsea Boot"


@pytest.mark.parametrize(
    "value, code",
    [
        ({}, "request_malformed"),
        ({"data": "x"}, "request_malformed"),
        ({"data": None}, "request_malformed"),
        ({"data": []}, "image_missing"),
        ({"data": [None]}, "image_not_base64"),
        ({"data": [5]}, "image_not_base64"),
        ({"data": [{}]}, "image_not_base64"),
        ({"data": ["http://127.0.0.1/x.png"]}, "image_not_base64"),
        ({"data": ["/etc/passwd"]}, "image_broken"),
        ({"data": [address(photo())] * 2}, "request_malformed"),
        ([], "request_malformed"),
        ("[" * 100_000, "request_malformed"),
        ("", "request_malformed"),
    ],
)
def test_gradio_errors_are_one_sentence(client, version, value, code):
    response = post(client, GRADIO, value)
    assert response.status_code in (400, 415)
    assert response.json()["error"].endswith(".")
    if response.status_code == 400:
        assert_error(response, 400, code)


def test_gradio_form_instead_of_json_is_refused(client, version):
    assert_error(client.post(GRADIO, {"data": "x"}), 415, "unsupported_media_type")


# --- Hugging Face -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["image/png", "application/octet-stream", "application/x-www-form-urlencoded", "", "odd"],
)
def test_hugging_face_takes_bytes_of_any_type(client, version, kind):
    response = client.generic("POST", HUGGING_FACE, photo(), content_type=kind)
    scores = response.json()
    assert response.status_code == 200, scores
    assert len(scores) == 5
    assert set(scores[0]) == {"label", "score"}
    assert scores[0]["label"] == "Chelsea Boot"


@pytest.mark.parametrize(
    "parameters, number",
    [({}, 5), (None, 5), ({"top_k": 1}, 1), ({"top_k": 3, "function_to_apply": "softmax"}, 3),
     ({"top_k": 10**100}, 5), ({"top_k": None}, 5)],
)  # fmt: skip
def test_hugging_face_returns_the_requested_number(client, version, parameters, number):
    sent = {"inputs": base64.b64encode(photo()).decode(), "parameters": parameters}
    assert len(post(client, HUGGING_FACE, sent).json()) == number


@pytest.mark.parametrize(
    "value, code",
    [
        ({}, "image_missing"),
        ({"inputs": ""}, "image_missing"),
        ({"inputs": 5}, "image_not_base64"),
        ({"inputs": ["x"]}, "image_not_base64"),
        ({"inputs": "eA==", "parameters": {"top_k": 0}}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": {"top_k": -1}}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": {"top_k": "5"}}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": {"top_k": True}}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": {"top_k": 2.5}}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": []}, "parameter_invalid"),
        ({"inputs": "eA==", "parameters": {"function_to_apply": "x"}}, "parameter_invalid"),
        ("nope", "request_malformed"),
    ],
)
def test_hugging_face_errors_are_one_sentence(client, version, value, code):
    assert_error(post(client, HUGGING_FACE, value), 400, code)


def test_hugging_face_refuses_what_is_no_picture(client, version):
    response = client.generic("POST", HUGGING_FACE, b"words", content_type="image/png")
    assert_error(response, 415, "image_unsupported")


def test_busy_or_without_a_model_they_get_the_time_to_wait(client, version, monkeypatch):
    guard = ConcurrencyLimit(concurrency=1, queue=0)
    monkeypatch.setattr(prediction_limit, "limit", guard)
    with guard.turn():
        response = client.generic("POST", HUGGING_FACE, photo(), content_type="image/png")
    assert_error(response, 503, "too_busy")
    assert int(response["Retry-After"]) > 0
    version.active = False
    version.save()
    serving.forget()
    assert_error(post(client, GRADIO, {"data": [address(photo())]}), 503, "no_model")


@pytest.mark.parametrize("where", ["/models/gpt2", "/run/other"])
def test_other_models_are_not_found_in_json(client, version, settings, where):
    response = client.post(where, {})
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


@pytest.fixture
def real(live_server, version):
    # The client sends a token for another server to this one.
    headers = {"Connection": "close"}  # no thread of the server outlives the test's database
    address = live_server.url + HUGGING_FACE
    return InferenceClient(model=address, token="hf_x", timeout=60, headers=headers)


@pytest.mark.django_db(transaction=True)
def test_the_real_client_of_hugging_face_is_answered(real, tmp_path):
    path = tmp_path / "shoe.jpg"
    path.write_bytes(photo(format="JPEG"))
    for sent in (photo(), path, str(path)):
        found = real.image_classification(sent)
        assert (found[0].label, len(found)) == ("Chelsea Boot", 5)
        assert found[0].score > 0.6
    found = real.image_classification(photo(), top_k=2, function_to_apply="softmax")
    assert len(found) == 2


@pytest.mark.django_db(transaction=True)
def test_the_real_client_of_hugging_face_gets_the_error(real):
    with pytest.raises(HfHubHTTPError) as caught:
        real.image_classification(b"words")
    assert caught.value.response.status_code == 415
    assert "JPEG" in str(caught.value)


def test_a_token_of_this_site_is_checked_there_too(client, version):
    headers = {"Authorization": "Bearer shoe_unknown"}
    response = client.post(HUGGING_FACE, photo(), content_type="image/png", headers=headers)
    assert_error(response, 401, "token_unknown")


# --- browsers on other sites ------------------------------------------------------------------

SHOP = "https://shop.example"
PLACES = ["/api/v1/types/", "/api/predict", "/run/predict", HUGGING_FACE]


def preflight(client, where, origin=SHOP):
    return client.options(
        where,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, authorization, idempotency-key",
        },
    )


@pytest.mark.django_db
@pytest.mark.parametrize("where", PLACES)
def test_other_sites_may_not_call_where_nobody_allows_it(client, where):
    assert "Access-Control-Allow-Origin" not in preflight(client, where)


@pytest.mark.django_db
@pytest.mark.parametrize("where", PLACES)
def test_a_named_site_may_call(client, settings, where):
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    response = preflight(client, where)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == SHOP
    assert "POST" in response["Access-Control-Allow-Methods"]
    for header in ("content-type", "authorization", "idempotency-key"):
        assert header in response["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response
    for other in ("https://shop.example.evil", "http://shop.example", "null"):
        assert "Access-Control-Allow-Origin" not in preflight(client, where, other)


@pytest.mark.django_db
def test_answers_and_errors_may_be_read_from_there(client, settings, version):
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    for response in (
        client.get("/api/v1/types/", headers={"Origin": SHOP}),
        client.post("/api/v1/predictions/", headers={"Origin": SHOP}),
        client.get("/api/v1/nothing/", headers={"Origin": SHOP}),
    ):
        assert response["Access-Control-Allow-Origin"] == SHOP
        assert "ETag" in response["Access-Control-Expose-Headers"]
        assert "origin" in response["Vary"].lower()


@pytest.mark.django_db
def test_all_sites_may_call_where_that_is_set(client, settings):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert preflight(client, "/api/v1/types/")["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["/admin/login/", "/health/"])
def test_other_sites_may_not_call_the_rest(client, settings, where):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert "Access-Control-Allow-Origin" not in preflight(client, where)
