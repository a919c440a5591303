"""The queue's page, its thumbnails, and the JSON views that its script calls."""

import io
import json
import uuid

import pytest
from django.core.files.storage import storages
from django.urls import reverse
from PIL import Image

from curation import ingest, thumbnails
from curation.issues import write
from curation.issues.new_finding import NewFinding
from curation.models import AssessRun, Finding, QueueClaim, Review, ShoeImage
from curation.queue.cards import build_cards
from tests import decisions
from tests.factories import jpeg, row, shoe_type, stored_image

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:curation_queue")
METHODS = {
    "data": "GET", "facet": "GET", "labels": "GET",
    "decide": "POST", "undo": "POST", "renew": "POST", "release": "POST",
}  # fmt: skip


def address(name: str, *parts) -> str:
    return reverse(f"admin:curation_queue_{name}", args=parts)


def send(client, name: str, body) -> tuple[int, dict]:
    body = body if isinstance(body, str) else json.dumps(body)
    answer = client.post(address(name), body, content_type="application/json")
    return answer.status_code, answer.json()


def made(number: int, **fields) -> ShoeImage:
    image = row(number, **fields)
    image.save()
    return image


@pytest.fixture
def kim(client, member):
    user = member("Curator")
    client.force_login(user)
    return user


def photo(size) -> ShoeImage:
    image, _ = ingest.add_image(jpeg(size=size), ingest.Origin(), label=shoe_type())
    return image


def decision_on(image, **more) -> dict:
    return {"images": [{"id": image.pk, "seen": 0}], **more}


def test_page_shows_cards_and_facets_without_a_script(client, kim):
    made(1, label=shoe_type("uggs"), suggested="mules", source="a shop")
    made(2, label=shoe_type("uggs"))
    text = client.get(PAGE + "?given=uggs").content.decode()
    assert text.count('role="option"') == 2
    assert "suggested:" in text and "Mules" in text and "a shop" in text
    assert 'name="given" value="uggs" checked' in text
    assert "<noscript>" in text and "needs it" in text
    assert "<script>" not in text and "style=" not in text.split('id="queue"')[1]


def test_next_page_is_a_link(client, kim, settings):
    settings.QUEUE_PAGE_SIZE = 2
    for number in range(3):
        made(number)
    text = client.get(PAGE).content.decode()
    link = text.split('id="next"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    assert client.get(PAGE + link).content.decode().count('role="option"') == 1


def test_unknown_filter_is_refused_in_words(client, kim):
    answer = client.get(PAGE + "?reason=ugly")
    assert answer.status_code == 400
    assert "cannot be filtered" in answer.content.decode()
    answer = client.get(address("data") + "?given=sofas")
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "queue_error"


def test_empty_queue_says_so(client, kim):
    text = client.get(PAGE).content.decode()
    assert "Nothing left here." in text and 'id="nothing">' in text.replace('id="nothing" >', "")


def test_what_people_write_is_text_on_the_page(client, kim):
    image = made(1, source="<script>alert(1)</script>", label=shoe_type())
    decisions.leave([image], by=kim, note="<!-- card --><b>bold</b>")
    made(2, label=shoe_type())
    text = client.get(PAGE).content.decode()
    assert "<script>alert" not in text and "<b>bold" not in text
    assert text.count('role="option"') == 2


def test_strangers_are_sent_to_sign_in(client):
    assert client.get(PAGE).url.startswith("/admin/login/")
    for name, method in METHODS.items():
        answer = client.generic(method, address(name))
        assert answer.status_code == 401, name
        assert answer.json()["error"]["code"] == "signed_out"
    image = stored_image()
    thumb = reverse("admin:curation_thumb", args=[image.stored_sha256])
    assert client.get(thumb).url.startswith("/admin/login/")


@pytest.mark.parametrize("name", METHODS)
def test_staff_without_a_role_sees_and_decides_nothing(client, member, name):
    client.force_login(member())
    assert client.get(PAGE).status_code == 403
    answer = client.generic(METHODS[name], address(name))
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "not_allowed"


def test_who_may_only_look_claims_and_decides_nothing(client, member):
    client.force_login(member("Trainer"))
    image = made(1)
    text = client.get(PAGE).content.decode()
    assert 'data-do="zoom"' in text and 'data-do="reject"' not in text
    assert client.get(address("data")).json()["left"] == 1
    assert not QueueClaim.objects.exists()
    assert send(client, "decide", decision_on(image, action="reject"))[0] == 403
    image.refresh_from_db()
    assert image.state == "unreviewed"


def test_wrong_method_is_refused(client, kim):
    assert client.get(address("decide")).status_code == 405
    assert client.post(address("data")).status_code == 405


def test_a_form_of_another_site_cannot_decide(member):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(member("Curator"))
    answer = strict.post(address("decide"), "{}", content_type="application/json")
    assert answer.status_code == 403


def test_data_gives_cards_facets_or_both(client, kim):
    made(1, label=shoe_type("uggs"))
    data = client.get(address("data")).json()
    assert data["left"] == 1 and data["cards"][0]["given"]["slug"] == "uggs"
    assert "facets_html" in data and 'role="option"' in data["cards"][0]["html"]
    assert "facets_html" not in client.get(address("data") + "?facets=0").json()
    assert "cards" not in client.get(address("data") + "?cards=0").json()


def test_values_of_a_facet_are_found_by_typing(client, kim):
    made(1, source="Shop of shoes")
    made(2, source="Street")
    answer = client.get(address("facet") + "?name=source&find=shop").json()
    assert answer["found"] == 1 and "Shop of shoes" in answer["html"]
    assert client.get(address("facet") + "?name=colour").status_code == 400


def test_decision_is_made_and_taken_back(client, kim):
    image = made(1, label=shoe_type("uggs"))
    client.get(PAGE)
    status, decided = send(client, "decide", decision_on(image, action="relabel", label="mules"))
    assert status == 200 and decided["images"] == [image.pk] and decided["overtaken"] == []
    image.refresh_from_db()
    assert (image.label.slug, image.state) == ("mules", "confirmed")
    assert decided["seen"] == {str(image.pk): Review.objects.get().pk}
    assert not QueueClaim.objects.exists(), "nobody needs to leave it out any more"
    status, undone = send(client, "undo", {"batch": decided["batch"]})
    assert status == 200 and undone["cards"][0]["given"]["slug"] == "uggs"
    image.refresh_from_db()
    assert (image.label.slug, image.state) == ("uggs", "unreviewed")


def test_image_decided_on_since_comes_back_as_it_is_now(client, kim, member):
    image, other = made(1, label=shoe_type("uggs")), made(2, label=shoe_type("uggs"))
    ana = member("Curator", name="ana")
    decisions.relabel([image], shoe_type("mules"), by=ana)
    images = [{"id": image.pk, "seen": 0}, {"id": other.pk, "seen": 0}]
    _, decided = send(client, "decide", {"action": "reject", "images": images})
    assert decided["images"] == [other.pk]
    (card,) = decided["overtaken"]
    assert card["last"]["who"] == "ana" and card["given"]["slug"] == "mules"
    again = [{"id": image.pk, "seen": card["seen"]}]
    assert send(client, "decide", {"action": "reject", "images": again})[1]["images"] == [image.pk]


def test_leaving_needs_a_note(client, kim):
    image = made(1)
    status, refused = send(client, "decide", decision_on(image, action="leave"))
    assert status == 400 and "note" in refused["error"]["detail"]
    assert send(client, "decide", decision_on(image, action="leave", note="which?"))[0] == 200
    assert build_cards([image.pk])[0]["reasons"][0]["note"] == "which?"


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", "\ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
     {"action": "confirm"}, {"action": "confirm", "images": []},
     {"action": "confirm", "images": [7]}, {"action": "confirm", "images": [{"seen": 0}]},
     {"action": "confirm", "images": [{"id": "1"}]}, {"action": "confirm", "images": [{"id": -1}]},
     {"action": "confirm", "images": [{"id": True}]}, {"action": "shrug", "images": [{"id": 1}]},
     {"action": ["confirm"], "images": [{"id": 1}]},
     {"action": "relabel", "images": [{"id": 1}]}],
)  # fmt: skip
def test_senseless_decision_is_refused_in_words(client, kim, body):
    status, refused = send(client, "decide", body)
    assert status == 400
    assert refused["error"]["code"] and refused["error"]["detail"].endswith(".")


def test_unknown_label_type_and_image_are_not_found(client, kim):
    image = made(1)
    assert send(client, "decide", decision_on(image, action="relabel", label="sofas"))[0] == 404
    assert client.get(address("type", "sofas")).status_code == 404
    assert client.get(address("pair", 10**9)).json()["error"]["code"] == "not_found"


def test_too_many_at_once_are_refused(client, kim, settings):
    settings.QUEUE_DECIDE_MOST = 2
    images = [{"id": number} for number in range(3)]
    status, refused = send(client, "decide", {"action": "reject", "images": images})
    assert status == 400 and refused["error"]["code"] == "too_many"


def test_undo_of_nothing_is_refused(client, kim):
    assert send(client, "undo", {"batch": "x"})[0] == 400
    status, refused = send(client, "undo", {"batch": str(uuid.uuid4())})
    assert status == 400 and refused["error"]["code"] == "decision_refused"


def test_copies_are_kept_on_purpose_and_that_is_taken_back(client, kim):
    one, two = made(1, label=shoe_type()), made(2, label=shoe_type())
    run = AssessRun.objects.create(state="done")
    write.record(run, [NewFinding(two.pk, "near-duplicate", 0.9, other=one.sha256)])
    write.publish(run)
    shown = client.get(address("pair", two.pk)).json()
    assert [card["id"] for card in shown["cards"]] == [one.pk, two.pk]
    assert shown["proposed"] == one.pk and shown["rows"][0]["name"] == "Size"
    images = [{"id": image.pk, "seen": 0} for image in (one, two)]
    _, kept = send(client, "decide", {"action": "keep-all", "images": images})
    assert Finding.objects.get().outcome == "kept"
    assert send(client, "undo", {"batch": kept["batch"]})[0] == 200
    assert Finding.objects.get().outcome == ""


def test_claims_are_renewed_and_given_back(client, kim):
    images = [made(number) for number in range(2)]
    client.get(PAGE)
    assert send(client, "renew", {"images": [images[0].pk]}) == (200, {"renewed": 1})
    assert send(client, "release", {"images": [images[0].pk]}) == (200, {"released": 1})
    assert send(client, "release", {}) == (200, {"released": 1})
    assert send(client, "renew", {"images": "all"})[0] == 400


def test_type_is_described_with_confirmed_examples(client, kim):
    image = made(1, label=shoe_type("uggs"), state="confirmed", priority=0.0)
    described = client.get(address("type", "uggs")).json()
    assert described["name"] == shoe_type("uggs").name and described["distinction"]
    assert described["examples"][0]["thumb"].endswith(f"/{image.stored_sha256}.jpg")
    assert len(client.get(address("labels")).json()["labels"]) == 38


def test_thumbnail_is_made_once_small_and_private(client, kim):
    image = photo((900, 600))
    url = reverse("admin:curation_thumb", args=[image.stored_sha256])
    answer = client.get(url)
    small = Image.open(io.BytesIO(answer.content))
    assert small.format == "JPEG" and small.size == (256, 171)
    assert "private" in answer["Cache-Control"] and "immutable" in answer["Cache-Control"]
    storages["media"].delete(image.file_name)
    assert client.get(url).content == answer.content, "kept"
    thumbnails.remove(image.stored_sha256)
    assert client.get(url).status_code == 404


def test_thumbnail_of_a_small_picture_is_not_grown():
    small = Image.open(io.BytesIO(thumbnails.thumbnail(photo((90, 60)))))
    assert small.size == (90, 60)


def test_thumbnail_needs_the_right_to_see_images(client, member):
    image = stored_image()
    url = reverse("admin:curation_thumb", args=[image.stored_sha256])
    client.force_login(member())
    assert client.get(url).status_code == 403
    client.force_login(member("Trainer", name="tom"))
    assert client.get(url).status_code == 200
    assert client.get(reverse("admin:curation_thumb", args=["0" * 64])).status_code == 404
    assert client.get(reverse("admin:curation_thumb", args=["-"])).status_code == 404


def test_purged_image_shows_no_thumbnail(client, kim):
    image = stored_image()
    stored = image.stored_sha256
    url = reverse("admin:curation_thumb", args=[stored])
    client.get(url)
    ShoeImage.objects.update(state="purged", stored_sha256="")
    assert client.get(url).status_code == 404


def test_page_takes_as_many_queries_for_many_cards_as_for_few(
    client, kim, django_assert_max_num_queries
):
    for number in range(40):
        made(number, label=shoe_type(), source=f"shop {number}")
    client.get(PAGE)
    with django_assert_max_num_queries(32):
        client.get(PAGE)


def test_filtered_view_leads_to_relabelling_all_of_it(client, kim, member):
    made(1, label=shoe_type("uggs"))
    link = f"{reverse('admin:curation_bulk')}?given=uggs&amp;state=unreviewed"
    query = "?state=unreviewed&given=uggs"
    assert link in client.get(PAGE + query).content.decode()
    chips = client.get(address("data") + query).json()["chips_html"]
    assert link in chips
    assert "Relabel all" not in client.get(PAGE).content.decode(), "not for everything"
    client.force_login(member("Trainer", name="tom"))
    assert "Relabel all" not in client.get(PAGE + query).content.decode()


def test_decision_is_made_by_who_made_it(client, kim, django_user_model):
    image = made(1, label=shoe_type())
    other = django_user_model.objects.create_user("somebody-else")
    status, answer = send(client, "decide", decision_on(image, action="reject", by=str(other.pk)))
    assert status == 401 and kim.username in answer["error"]["detail"]
    assert answer["error"]["code"] == "signed_out", "kept until the right person signs in"
    assert send(client, "undo", {"batch": str(uuid.uuid4()), "by": str(other.pk)})[0] == 401
    assert send(client, "decide", decision_on(image, action="reject", by=str(kim.pk)))[0] == 200
