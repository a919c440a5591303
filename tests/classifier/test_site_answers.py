"""Explaining, feedback, shared answers and taking a photo back, without JavaScript."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from classifier.answers import answer, feedback
from classifier.models import Feedback
from classifier.registry import serving
from curation.models import ShoeImage, ShoeType
from tests import tiny_model
from tests.classifier.test_nearest import add, assess, kim  # noqa: F401  (fixtures among them)
from tests.classifier.test_pages import picture, text
from tests.drawing import encoded
from tests.factories import jpeg

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_assess_files")]

RED, DARK, BLACK = (255, 0, 0), (228, 0, 0), (0, 0, 0)
CODE = re.compile(r"\b[2-9A-Z]{5}(?:-[2-9A-Z]{5}){3}\b")


@pytest.fixture(autouse=True)
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def answered(colour=RED) -> str:
    return answer.recognise(encoded(Image.new("RGB", (64, 64), colour), "PNG"))["id"]


def address(answer_id: str) -> str:
    return reverse("past-answer", args=[answer_id])


def photo(seed=1):
    return SimpleUploadedFile("shoe.jpg", jpeg(seed), content_type="image/jpeg")


# --- explained --------------------------------------------------------------------------------


def test_tick_has_the_answer_explained_in_words(client):
    left_red = Image.new("RGB", (64, 64), (0, 0, 255))
    left_red.paste(RED, (0, 0, 32, 64))
    sent = SimpleUploadedFile("a.png", encoded(left_red, "PNG"))
    content = text(client.post("/", {"image": sent, "explain": "1"}))
    assert "What speaks for Uggs lies mostly on the left side." in content
    assert "Why not" in content and "has not looked at the confirmed photographs" in content


def test_runner_up_is_told_apart_by_the_guide(client):
    content = text(client.post("/", {"image": picture(DARK), "explain": "1"}))
    for slug in ("chelsea-boots", "army-boots"):
        assert content.count(ShoeType.objects.get(slug=slug).distinction[0]) >= 1
    assert "How often the model is right about" in content


def test_similar_photographs_are_shown_with_licence_and_source(client, kim):  # noqa: F811
    there = add(kim, title="Red <boots>", page_url="https://shop.example/red")
    add(kim, seed=2, licence="unknown")
    assess()
    response = client.post("/", {"image": picture(), "explain": "1"})
    page = response.content.decode().partition("<template")[0]
    assert page.count("/examples/") == 1
    assert f'src="/examples/{there.stored_sha256}.jpg"' in page
    assert 'alt="Chelsea boots: Red &lt;boots&gt;"' in page
    assert 'href="https://shop.example/red"' in page and 'rel="noopener noreferrer"' in page
    assert "CC0 1.0" in text(response)


def test_without_the_tick_nothing_is_explained(client):
    assert "What speaks for" not in text(client.post("/", {"image": picture()}))


def test_what_is_no_shoe_is_explained_as_such(client):
    content = text(client.post("/", {"image": picture(BLACK), "explain": "1"}))
    assert "What speaks against a shoe lies" in content
    assert "Why not" not in content and "confirmed photographs" not in content


# --- the shared answer ------------------------------------------------------------------------


def test_link_shows_the_answer_again_without_the_photo(client):
    page = client.post("/", {"image": picture()}).content.decode()
    link = re.search(r'href="(/a/[^"]+/)"', page)[1]
    response = client.get(link)
    content = text(response)
    assert response.status_code == 200
    assert "Chelsea boots" in content and "The photo was not kept" in content
    assert ShoeType.objects.get(slug="chelsea-boots").pros[0] in content
    assert response["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in response.content.decode()
    assert "<form" not in response.content.decode(), "who gets a link has not seen the photo"


def test_link_that_is_too_old_says_what_to_do(client, settings):
    link = address(answered())
    settings.ANSWER_ID_HOURS = -1
    response = client.get(link)
    assert response.status_code == 410
    assert "Send the photo again" in text(response)
    assert response["X-Robots-Tag"] == "noindex"


def test_link_that_is_not_whole_says_what_to_do(client):
    response = client.get(address(answered()[:-3]))
    assert response.status_code == 400
    assert "A part of the link may be missing" in text(response)


# --- feedback ---------------------------------------------------------------------------------


def test_form_below_the_answer_takes_what_it_is(client):
    page = client.post("/", {"image": picture()}).content.decode()
    action = re.search(r'<form class="feedback"[^>]* action="(/a/[^"]+/)"', page)[1]
    assert '<option value="loafers">' in page and '<option value="not-a-shoe">' in page
    content = text(client.post(action, {"right": "no", "type": "loafers"}))
    assert "Thank you" in content and not CODE.search(content)
    row = Feedback.objects.get()
    assert (row.right, row.shoe_type.slug, row.image) == (False, "loafers", None)


def test_yes_does_not_count_what_was_chosen_before(client):
    client.post(address(answered()), {"right": "yes", "type": "loafers"})
    assert Feedback.objects.get().shoe_type.slug == "chelsea-boots"


def test_yes_to_a_family_may_name_the_type(client):
    client.post(address(answered(DARK)), {"right": "yes", "type": "army-boots"})
    assert Feedback.objects.get().shoe_type.slug == "army-boots"


def test_photo_is_given_with_the_tick_and_taken_back_with_the_code(client):
    sent = {"right": "no", "type": "brogues", "consent": "true", "image": photo()}
    response = client.post(address(answered()), sent)
    code = CODE.search(text(response))[0]
    assert response["Cache-Control"] == "no-store"
    image = ShoeImage.objects.get()
    assert (image.proposed.slug, image.label, image.consent) == (
        "brogues", None, feedback.CONSENT,
    )  # fmt: skip
    assert "The photo is removed" in text(client.post("/withdraw/", {"code": f" {code.lower()} "}))
    image.refresh_from_db()
    assert image.state == ShoeImage.State.PURGED


@pytest.mark.parametrize(
    "sent, status, words",
    [
        ({}, 400, "choose yes or no"),
        ({"right": "perhaps"}, 400, "choose yes or no"),
        ({"right": "no", "type": "moon-boots"}, 400, "no type 'moon-boots'"),
        ({"right": "no", "consent": "true"}, 400, "Choose the photo once more"),
        ({"right": "no", "image": b"x"}, 400, "kept only with consent"),
        ({"right": "no", "consent": "true", "image": b"%PDF-1.7"}, 415, "a PDF"),
    ],
)
def test_refused_feedback_is_explained_beside_the_form(client, sent, status, words):
    if "image" in sent:
        sent = {**sent, "image": SimpleUploadedFile("a.jpg", sent["image"])}
    response = client.post(address(answered()), sent)
    page = response.content.decode()
    assert response.status_code == status
    assert words in text(response)
    if sent.get("right") == "no":
        assert re.search(r'value="no" required checked', page), "what was said stays"
    assert not Feedback.objects.exists() and not ShoeImage.objects.exists()


def test_one_answer_takes_one_feedback(client):
    link = address(answered())
    client.post(link, {"right": "yes"})
    response = client.post(link, {"right": "no"})
    assert response.status_code == 409
    assert "one is enough" in text(response)


def test_feedback_needs_the_form_of_this_site():
    client = Client(enforce_csrf_checks=True)
    assert client.post(address(answered()), {"right": "yes"}).status_code == 403
    page = client.get("/withdraw/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    sent = {"right": "yes", "csrfmiddlewaretoken": token}
    assert client.post(address(answered()), sent).status_code == 200


def test_feedback_on_an_expired_answer_says_what_to_do(client, settings):
    link = address(answered())
    settings.ANSWER_ID_HOURS = -1
    response = client.post(link, {"right": "yes"})
    assert response.status_code == 410
    assert "Send the photo again" in text(response)


# --- taking a photo back ----------------------------------------------------------------------


def test_unknown_code_is_explained_beside_the_field(client):
    response = client.post("/withdraw/", {"code": "AAAAA-BBBBB-CCCCC-DDDDD"})
    page = response.content.decode()
    assert response.status_code == 404
    assert "check each character" in text(response)
    assert 'value="AAAAA-BBBBB-CCCCC-DDDDD"' in page and 'aria-invalid="true"' in page


def test_too_many_tries_are_refused(client, settings):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "feedback": ("1/min", "1/min")}
    client.post("/withdraw/", {"code": "A"})
    response = client.post("/withdraw/", {"code": "B"})
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0 and "Too many requests" in text(response)
    response = client.post(address(answered()), {"right": "yes"})
    assert response.status_code == 429
    assert "Too many requests" in text(response)
