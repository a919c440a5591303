"""The confirmed photographs nearest to a visitor's, and the door through which they are seen."""

import io
import random
import shutil

import pytest
from django.core.files.storage import storages
from PIL import Image, ImageDraw

from classifier.answers import answer, nearest, public_images
from classifier.assess import feature_store
from classifier.jobs import assessment
from classifier.registry import serving
from curation import ingest
from curation.decisions import purge
from curation.models import AssessRun, ShoeImage, ShoeType
from curation.thumbnails import thumbnail_name
from shoeproject import jobs
from shoeproject.jobs import State
from tests import decisions, tiny_model
from tests.drawing import encoded
from tests.factories import row, shoe_type

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_assess_files")]
RED, DARK_RED, BLUE, GREEN = (255, 0, 0), (200, 0, 0), (0, 0, 255), (0, 255, 0)
FREE = "CC0 1.0"


@pytest.fixture
def version(tmp_path, settings):
    settings.JOB_WAIT_FOR_WORKER_SECONDS = 0
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


@pytest.fixture
def kim(member):
    return member("Curator")


def patterned(colour, seed: int) -> bytes:
    """A picture of a colour; another seed, another pattern on it."""
    chance = random.Random(seed)
    image = Image.new("RGB", (160, 160), colour)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y = chance.uniform(0, 100), chance.uniform(0, 100)
        shade = tuple(round(part * chance.uniform(0.5, 0.9)) for part in colour)
        draw.rectangle([x, y, x + chance.uniform(9, 50), y + chance.uniform(9, 50)], fill=shade)
    return encoded(image, "PNG")


def add(kim, colour=RED, seed=0, label="chelsea-boots", confirmed=True, **origin) -> ShoeImage:
    about = ingest.Origin(**{"licence": FREE, **origin})
    image, _ = ingest.add_image(patterned(colour, seed), about, label=shoe_type(label))
    if confirmed:
        decisions.confirm([image], kim)
    return image


def assess() -> AssessRun:
    run = AssessRun.objects.create()
    jobs.perform(AssessRun, run.pk, assessment.run)
    run.refresh_from_db()
    assert run.state == State.DONE, run.error
    return run


def nearest_photographs(colour=RED) -> dict:
    photo = encoded(Image.new("RGB", (64, 64), colour), "PNG")
    return answer.recognise(photo, explained=True)["explain"]["nearest"]


def urls(photographs: dict) -> set[str]:
    return {photo["url"] for photo in photographs["photos"]}


def url(image: ShoeImage) -> str:
    return f"/examples/{image.stored_sha256}.jpg"


# --- which photographs ------------------------------------------------------------------------


def test_nearest_are_confirmed_photographs_of_the_type_most_alike_first(version, kim):
    same = add(kim, RED, 1, title="Red boots", page_url="https://shop.example/red")
    # Labelled so whatever they look like: how alike they are says the picture alone.
    between = add(kim, (255, 0, 120), 2)
    far = add(kim, BLUE, 3)
    add(kim, RED, 4, confirmed=False)
    add(kim, RED, 5, label="brogues")
    decisions.reject([add(kim, RED, 6)], kim)
    assess()
    photographs = nearest_photographs()
    assert photographs["state"] == "ready"
    assert [photo["url"] for photo in photographs["photos"]] == [url(same), url(between), url(far)]
    first = photographs["photos"][0]
    assert first.pop("similarity") == pytest.approx(1, abs=0.01)
    assert first == {
        "url": url(same), "type": "chelsea-boots", "name": "Chelsea boots", "licence": FREE,
        "title": "Red boots", "page_url": "https://shop.example/red",
    }  # fmt: skip
    similarities = [photo["similarity"] for photo in photographs["photos"][1:]]
    assert 0.99 > similarities[0] > similarities[1]
    assert similarities[1] == pytest.approx(0, abs=0.01), "red and blue have nothing in common"


def test_no_more_are_shown_than_set_and_one_of_each_product(version, kim, settings):
    views = [add(kim, RED, seed, group="shop:1") for seed in (1, 2, 3)]
    others = [add(kim, (255, 0, 60), 4, group="shop:2"), add(kim, (255, 0, 90), 5)]
    assess()
    settings.EXPLAIN_NEAREST = 2
    photographs = urls(nearest_photographs())
    assert len(photographs) == 2
    assert len(photographs & {url(view) for view in views}) == 1
    assert url(others[0]) in photographs


def test_page_is_named_only_where_it_is_a_web_address(version, kim):
    add(kim, RED, 1, page_url="javascript:alert(1)")
    assess()
    assert nearest_photographs()["photos"][0]["page_url"] is None


def test_images_newer_than_the_assessment_wait_for_the_next(version, kim):
    old = add(kim, RED, 1)
    assess()
    new = add(kim, RED, 2)
    assert urls(nearest_photographs()) == {url(old)}
    assess()
    assert urls(nearest_photographs()) == {url(old), url(new)}


def test_photographs_of_merged_types_are_those_of_the_type_today(version, kim):
    add(kim, RED, 1)
    add(kim, DARK_RED, 2, label="army-boots")
    assess()
    assert len(nearest_photographs()["photos"]) == 1
    ShoeType.objects.filter(slug="army-boots").update(merged_into=shoe_type())
    photographs = nearest_photographs()["photos"]
    assert [photo["type"] for photo in photographs] == ["chelsea-boots"] * 2


def test_type_without_a_photograph_to_show_says_so(version, kim):
    add(kim, RED, 1, licence="unknown")
    add(kim, BLUE, 2, label="brogues")
    assess()
    assert nearest_photographs() == {"state": "none", "photos": []}
    assert nearest_photographs((0, 255, 0)) == {"state": "none", "photos": []}


# --- what is not assessed ---------------------------------------------------------------------


def test_without_an_assessment_nothing_is_compared(version, kim):
    add(kim, RED, 1)
    assert nearest_photographs() == {"state": "not-assessed", "photos": []}


def test_assessment_by_another_model_does_not_count(version, kim, tmp_path):
    add(kim, RED, 1)
    assess()
    assert nearest_photographs()["state"] == "ready"
    tiny_model.activate(tmp_path / "next", name="next")
    assert nearest_photographs() == {"state": "not-assessed", "photos": []}
    assess()
    assert nearest_photographs()["state"] == "ready"


def test_files_that_are_gone_are_no_error(version, kim):
    add(kim, RED, 1)
    feature_store.drop(assess().pk)
    assert nearest_photographs() == {"state": "not-assessed", "photos": []}


def test_another_machine_fetches_the_files_and_drops_those_of_earlier_runs(version, kim, settings):
    add(kim, RED, 1)
    run = assess()
    shutil.rmtree(settings.CACHE_DIR / "assess")
    earlier = settings.CACHE_DIR / "assess" / str(run.pk - 1)
    earlier.mkdir(parents=True)
    assert nearest_photographs()["state"] == "ready"
    assert feature_store.is_cached(run.pk) and not earlier.exists()


# --- as things change -------------------------------------------------------------------------


def test_removed_images_are_gone_at_once(version, kim, django_capture_on_commit_callbacks):
    images = [add(kim, RED, seed) for seed in range(4)]
    assess()
    assert urls(nearest_photographs()) == {url(image) for image in images}
    decisions.relabel([images[0]], shoe_type("brogues"), kim)
    decisions.reject([images[1]], kim)
    with django_capture_on_commit_callbacks(execute=True):
        purge.purge(ShoeImage.objects.filter(pk=images[2].pk), kim, "Asked.", "one")
    assert urls(nearest_photographs()) == {url(images[3])}


def test_relabelled_images_are_shown_after_a_short_while(version, kim, monkeypatch):
    add(kim, RED, 1)
    late = add(kim, RED, 2, label="brogues")
    assess()
    assert url(late) not in urls(nearest_photographs())
    decisions.relabel([late], shoe_type(), kim)
    clock = nearest.time.monotonic
    monkeypatch.setattr(nearest.time, "monotonic", lambda: clock() + 60)
    assert url(late) in urls(nearest_photographs())


def test_queries_do_not_grow_with_the_images(version, kim, django_assert_num_queries):
    photo = encoded(Image.new("RGB", (64, 64), RED), "PNG")
    for number in (1, 12):
        for seed in range(number):
            add(kim, RED, 100 * number + seed)
        assess()
        # Without an explanation two; the guide, the run, which images, the chosen, what was judged.
        with django_assert_num_queries(2 + 5):
            assert answer.recognise(photo, explained=True)["explain"]["nearest"]["photos"]
        with django_assert_num_queries(2 + 4):
            answer.recognise(photo, explained=True)


# --- licences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "licence, may",
    [
        ("CC0 1.0", True), ("cc0-1.0", True), ("Public domain", True), ("CC BY 4.0", True),
        ("CC-BY-2.5", True), ("CC BY-SA 4.0", True), ("unknown", False), ("", False),
        ("none stated", False), ("none stated (academic use)", False), ("MIT", False),
        ("CC BY-NC 4.0", False), ("CC-BY-NC-ND-4.0", False), ("CC BY-ND 4.0", False),
        ("Free to share", False), ("Apache-2.0 (LICENSE)", False), ("not CC0", False),
    ],
)  # fmt: skip
def test_licences_that_may_be_shown(licence, may):
    row(1, label=shoe_type(), state="confirmed", licence=licence).save()
    assert public_images.images().exists() is may


def test_licences_are_a_setting_but_unknown_ones_are_never_shown(settings):
    licences = ["unknown", "Unknown", "", "none stated", "MIT", "mit", "MIT (code)", "100%"]
    for number, licence in enumerate(licences):
        row(number, label=shoe_type(), state="confirmed", licence=licence).save()

    def now(*patterns):
        settings.EXPLAIN_LICENCES = patterns
        return sorted(public_images.images().values_list("licence", flat=True))

    assert now() == now("") == now("unknown", "none*", "") == []
    assert now("mit") == ["MIT", "mit"]
    assert now("Mit*") == ["MIT", "MIT (code)", "mit"]
    assert now("%") == now("%*") == []
    assert now("*") == ["100%", "MIT", "MIT (code)", "mit"]


# --- the door ---------------------------------------------------------------------------------


def test_example_is_a_small_jpeg_that_caches_may_keep(client, kim, settings):
    image = add(kim, RED, 1)
    response = client.get(url(image))
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.format == "JPEG" and max(picture.size) <= settings.THUMBNAIL_SIDE
    assert response["Cache-Control"] == f"public, max-age={settings.EXPLAIN_CACHE_SECONDS}"
    assert "Cookie" not in response.get("Vary", "") and not response.cookies
    again = client.get(url(image), headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "about",
    [
        {"licence": "unknown"},
        {"confirmed": False},
        {"consent": "May be used for training."},
        {"label": "not-a-shoe"},
        {"label": "other-shoe"},
    ],
)
def test_private_photograph_has_no_public_address(client, kim, admin_user, about):
    image = add(kim, RED, 77, **about)  # the storage keeps thumbnails of other tests' pictures
    assert client.get(url(image)).status_code == 404
    client.force_login(admin_user)
    assert client.get(url(image)).status_code == 404, "whoever asks: caches would keep it"
    assert not storages["media"].exists(thumbnail_name(image.stored_sha256))


@pytest.mark.parametrize("name", ["0" * 64, "x", "a-b", "thumbs"])
def test_other_addresses_are_not_found(client, name):
    row(1, state="purged", stored_sha256="", label=shoe_type(), licence=FREE).save()
    assert client.get(f"/examples/{name}.jpg").status_code == 404


def test_digest_of_the_received_bytes_is_no_address(client, kim):
    image = add(kim, RED, 1)
    assert image.sha256 != image.stored_sha256
    assert client.get(f"/examples/{image.sha256}.jpg").status_code == 404


def test_permission_is_checked_for_every_request(client, kim, settings):
    image = add(kim, RED, 1)
    etag = {"If-None-Match": client.get(url(image))["ETag"]}
    settings.EXPLAIN_LICENCES = ["MIT"]
    assert client.get(url(image)).status_code == 404
    settings.EXPLAIN_LICENCES = ["CC0*"]
    assert client.get(url(image)).status_code == 200
    decisions.reject([image], kim)
    for headers in ({}, etag):
        assert client.get(url(image), headers=headers).status_code == 404
    assert client.post(url(image)).status_code == 405


def test_lost_file_is_not_found(client, kim):
    image = add(kim, RED, 88)
    storages["media"].delete(image.file_name)
    assert client.get(url(image)).status_code == 404
