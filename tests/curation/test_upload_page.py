"""Uploading in the admin: what is kept where, for how long, and what is refused."""

import io
import json
import re
import time
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from curation.imports import uploads
from curation.imports.run import import_images
from curation.models import Import, ShoeImage
from shoeproject import jobs
from tests.factories import jpeg, shoe_type, stored_image
from tests.shoeproject.test_s3 import bucket  # noqa: F401  (a fixture)

PAGE = "admin:curation_import_upload"
WHAT = {"source": "me", "licence": "CC0", "scene": "street"}


def file(name="a.jpg", data=None, seed=1):
    return SimpleUploadedFile(name, jpeg(seed) if data is None else data)


def packed(*names) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, jpeg(seed))
    return out.getvalue()


def kept() -> list[str]:
    """The files of all uploads that the storage holds."""
    media = storages["media"]
    try:
        return [f"{d}/{f}" for d in media.listdir("incoming")[0]
                for f in media.listdir(f"incoming/{d}")[1]]  # fmt: skip
    except FileNotFoundError:
        return []


@pytest.fixture(autouse=True)
def own_media(settings, tmp_path, request):
    if "bucket" not in request.fixturenames:
        options = {"location": str(tmp_path / "media")}
        backend = settings.STORAGES["media"]["BACKEND"]
        settings.STORAGES = {
            **settings.STORAGES, "media": {"BACKEND": backend, "OPTIONS": options},
        }  # fmt: skip


@pytest.fixture
def curator(client, member, db):
    client.force_login(member("Curator"))
    return client


def token(client) -> str:
    page = client.get(reverse(PAGE)).content.decode()
    return re.search(r'name="upload" value="([^"]+)"', page)[1]


def send(client, *files, follow=True, **fields):
    data = {"upload": token(client), "label": "", **WHAT, **fields, "files": files}
    return client.post(reverse(PAGE), data, follow=follow)


def part(client, upload, number, *files, names=None):
    names = [f.name for f in files] if names is None else names
    data = {"upload": upload, "part": number, "names": json.dumps(names), "files": files}
    return client.post(reverse("admin:curation_import_upload_part"), data)


def perform() -> Import:
    job = Import.objects.get()
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    return job


# --- the form without script --------------------------------------------------------------------


def test_pictures_of_one_type(curator):
    uggs = shoe_type("uggs")
    page = send(curator, file("a.jpg", seed=1), file("b.jpg", seed=2), label=uggs.pk)
    job = Import.objects.get()
    assert page.redirect_chain[-1][0] == reverse("admin:curation_import_change", args=[job.pk])
    assert (job.state, job.label, job.asked_by.username) == ("queued", uggs, "kim")
    assert str(job) == "Import of 2 uploaded files"
    assert len(kept()) == 3
    assert perform().report["added"] == 2
    image = ShoeImage.objects.first()
    assert (image.label, image.source, image.licence, image.scene) == (uggs, "me", "CC0", "street")
    assert kept() == [], "what was taken in is not kept twice"


def test_a_zip_by_its_folders(curator):
    send(curator, file("shoes.zip", packed("uggs/a.jpg", "sneakers/b.jpg")))
    assert perform().report["added"] == 2
    assert str(Import.objects.get()) == "Import of shoes.zip (uploaded)"


def test_a_csv_of_addresses(curator):
    send(curator, file("list.csv", b"url,class\nhttp://10.0.0.1/a.jpg,uggs\n"))
    assert perform().report["refused"] == {"not-public": 1}


def test_pictures_that_nothing_labels_are_kept_while_somebody_says_what_they_show(curator):
    page = send(curator, file())
    text = page.content.decode()
    assert "Choose what they show" in text
    assert "1 file (" in text
    upload = re.search(r'name="upload" value="([^"]+)"', text)[1]
    data = {"upload": upload, "label": shoe_type("uggs").pk, **WHAT}
    curator.post(reverse(PAGE), data)
    assert perform().report["added"] == 1


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "Nothing of it is here"),
        ([file("a.zip", b"x"), file()], "not several of these together"),
        ([file("a.csv", b"x"), file("b.csv", b"x")], "not several of these together"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_words(curator, files, says):
    page = send(curator, *files, label=shoe_type("uggs").pk)
    assert says in page.content.decode()
    assert Import.objects.count() == 0


def test_a_damaged_zip_fails_in_one_sentence(curator):
    send(curator, file("a.zip", b"PK\3\4 nothing"))
    job = perform()
    assert (job.state, job.error) == (
        "failed", "a.zip (uploaded): It is no ZIP, or a damaged one; pack or copy it again.",
    )  # fmt: skip


def test_the_same_form_sent_twice_is_one_import(curator):
    data = {"upload": token(curator), "label": shoe_type("uggs").pk, **WHAT}
    for _ in range(2):
        answer = curator.post(reverse(PAGE), {**data, "files": file()})
        assert answer.status_code == 302
    assert Import.objects.count() == 1


def test_too_many_files_for_one_request_are_refused_in_words(curator, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    page = send(curator, *(file(seed=n) for n in range(3)))
    assert page.status_code == 400
    assert "more than 2 files in one go; pack them into a ZIP" in page.content.decode()


def test_a_request_that_is_too_large_is_not_read(curator, settings, monkeypatch):
    monkeypatch.setattr("curation.admin.upload.SLACK", 0)
    settings.UPLOAD_MAX_BYTES = 1000
    page = send(curator, file())
    assert page.status_code == 413
    assert "One upload has at most 0 MB" in page.content.decode()
    assert kept() == []


def test_large_uploads_do_not_pass_through_memory(curator, monkeypatch):
    seen = []
    monkeypatch.setattr(uploads, "add_part", lambda *args: seen.append(args[2][0][1]) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        send(curator, file())
    assert seen[0].temporary_file_path()


def test_another_sites_form_is_refused(member, db):
    client = Client(enforce_csrf_checks=True)
    client.force_login(member("Curator"))
    for name in ("", "_part", "_drop"):
        assert client.post(reverse(PAGE + name), {"files": file()}).status_code == 403
    page = client.get(reverse(PAGE)).content.decode()
    data = {
        "csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1],
        "upload": re.search(r'name="upload" value="([^"]+)"', page)[1],
        "label": shoe_type("uggs").pk, "files": file(), **WHAT,
    }  # fmt: skip
    assert client.post(reverse(PAGE), data).status_code == 302


def test_only_those_who_may_import_see_it(client, member, db):
    assert client.get(reverse(PAGE)).status_code == 302
    client.force_login(member("Trainer"))
    for name in ("", "_part", "_drop"):
        assert client.get(reverse(PAGE + name)).status_code == 403
        assert client.post(reverse(PAGE + name), {"files": file()}).status_code == 403
    assert kept() == []


def test_the_list_of_imports_links_to_it(curator):
    page = curator.get(reverse("admin:curation_import_changelist")).content.decode()
    assert reverse(PAGE) in page


# --- in parts, as the script sends ----------------------------------------------------------------


def test_parts_come_in_any_number_of_tries(curator):
    upload = token(curator)
    first = part(curator, upload, 1, file("a.jpg", seed=1), file("b.jpg", seed=2))
    assert first.json()["files"] == 2
    again = part(curator, upload, 1, file("a.jpg", seed=1), file("b.jpg", seed=2))
    assert again.json() == first.json()
    names = ["boots/uggs/c.jpg"]
    assert part(curator, upload, 2, file("c.jpg", seed=3), names=names).json()["files"] == 3
    curator.post(reverse(PAGE), {"upload": upload, "label": shoe_type("uggs").pk, **WHAT})
    assert perform().report["added"] == 3


def test_folders_that_were_dropped_label_what_is_in_them(curator):
    upload = token(curator)
    files = [file("a.jpg", seed=1), file("a.jpg", seed=2), file("b.jpg", seed=3)]
    part(curator, upload, 1, *files, names=["x/uggs/a.jpg", "x/sneakers/a.jpg", "x/hover/b.jpg"])
    curator.post(reverse(PAGE), {"upload": upload, "label": "", **WHAT})
    report = perform().report
    assert (report["added"], report["unknown_labels"]) == (2, {"hover": 1})


def test_names_are_words_and_never_paths(curator):
    upload = token(curator)
    name = "..\\../../etc/\x00pass\nwd\ud800.jpg"
    part(curator, upload, 1, file(data=b"no picture"), names=[name])
    assert all(re.fullmatch(r"[0-9a-f-]+/[0-9a-z.-]+", stored) for stored in kept())
    curator.post(reverse(PAGE), {"upload": upload, "label": shoe_type("uggs").pk, **WHAT})
    assert perform().report["problems"][0]["path"] == "etc/passwd?.jpg"


def test_the_sum_of_all_parts_is_limited(curator, settings):
    settings.UPLOAD_MAX_FILES = 2
    upload = token(curator)
    assert part(curator, upload, 1, file(seed=1), file(seed=2)).status_code == 200
    answer = part(curator, upload, 2, file(seed=3))
    assert answer.status_code == 400
    assert "at most 2 files" in answer.json()["error"]
    assert part(curator, upload, 1, file(seed=1), file(seed=2)).status_code == 200
    settings.UPLOAD_MAX_FILES, settings.UPLOAD_MAX_BYTES = 10, len(jpeg(1)) + len(jpeg(2)) + 10
    assert "at most 0 MB" in part(curator, upload, 2, file(seed=3)).json()["error"]


def test_a_picture_that_is_too_large_is_not_kept_and_reported(curator, settings):
    settings.IMAGE_MAX_BYTES = 1000
    send(curator, file("a.jpg"), label=shoe_type("uggs").pk)
    assert len(kept()) == 1, "its index alone"
    assert perform().report["refused"] == {"image_too_large": 1}


@pytest.mark.parametrize(
    "data",
    [{"part": "1"}, {"part": "x", "names": "[]"}, {"part": "1", "names": "{"},
     {"part": "0", "names": '["a.jpg"]'}, {"part": "1", "names": "[1]"},
     {"part": "1", "names": '["a","b"]'}, {"part": "1000000", "names": '["a"]'}],
)  # fmt: skip
def test_a_malformed_part_is_refused(curator, data):
    data = {"upload": token(curator), "files": file(), **data}
    answer = curator.post(reverse("admin:curation_import_upload_part"), data)
    assert (answer.status_code, "something else than files" in answer.json()["error"]) == (
        400,
        True,
    )
    assert kept() == []


def test_an_upload_is_its_owners_and_its_token_cannot_be_made_up(curator, member):
    upload = token(curator)
    curator.force_login(member("Curator", name="lee"))
    assert "Somebody else began" in part(curator, upload, 1, file()).json()["error"]
    assert "damaged" in part(curator, upload + "x", 1, file()).json()["error"]
    assert "damaged" in send(curator, file(), upload="").content.decode()


def test_a_page_that_is_too_old_says_so(curator, settings):
    upload = token(curator)
    settings.UPLOAD_KEEP_HOURS = -1
    assert "This page is too old" in part(curator, upload, 1, file()).json()["error"]


def test_cancelling_removes_what_was_sent(curator):
    upload = token(curator)
    part(curator, upload, 1, file())
    assert kept()
    answer = curator.post(reverse("admin:curation_import_upload_drop"), {"upload": upload})
    assert [name.split("/")[1] for name in kept()] == ["dropped"]
    late = part(curator, upload, 2, file())
    assert "was cancelled" in late.json()["error"]
    assert [name.split("/")[1] for name in kept()] == ["dropped"]
    assert part(curator, answer.json()["upload"], 1, file()).json()["files"] == 1


def test_what_an_import_waits_for_cannot_be_dropped(curator):
    upload = token(curator)
    curator.post(reverse(PAGE), {"upload": upload, "label": shoe_type("uggs").pk, **WHAT,
                                 "files": file()})  # fmt: skip
    curator.post(reverse("admin:curation_import_upload_drop"), {"upload": upload})
    assert perform().report["added"] == 1


# --- unfinished uploads ---------------------------------------------------------------------------


def old_upload(hours_ago: float) -> str:
    upload = uploads.storage_path(f"{int(time.time() - hours_ago * 3600):010d}-{'0' * 32}")
    uploads.add_part(upload, 1, [("uggs/a.jpg", ContentFile(jpeg(1)))])
    return upload


@pytest.mark.django_db
def test_abandoned_uploads_are_removed_and_others_are_not(settings):
    settings.UPLOAD_KEEP_HOURS = 24
    old_upload(25)
    young = old_upload(23)
    uploads.remove_abandoned()
    assert {name.split("/")[0] for name in kept()} == {young.split("/")[1]}


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "stays"), [("queued", True), ("paused", True), ("done", False)])
def test_an_old_upload_that_an_import_waits_for_stays(state, stays):
    Import.objects.create(upload=old_upload(100), path="x", state=state)
    uploads.remove_abandoned()
    assert bool(kept()) == stays


@pytest.mark.django_db
def test_an_import_of_a_removed_upload_fails_in_words(curator):
    job = Import.objects.create(upload=uploads.storage_path(uploads.new_id()), path="x")
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    assert "Nothing of it is here (any more); upload it again" in job.error


# --- an object store ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_uploads_live_in_an_object_store_as_well(bucket, curator):  # noqa: F811
    def incoming():
        listed = bucket.list_objects_v2(Bucket="shoes", Prefix="media/incoming/")
        return listed.get("Contents", [])

    send(curator, file("a.zip", packed("uggs/a.jpg", "sneakers/b.jpg")))
    assert len(incoming()) == 2
    assert perform().report["added"] == 2
    assert incoming() == []


# --- the page of an import ----------------------------------------------------------------------


def test_the_page_shows_what_came_in_and_why_the_rest_did_not(curator):
    stored_image(1)
    upload = token(curator)
    files = [file(seed=1), file(seed=2), file(data=b"no picture"), file(seed=3)]
    names = ["uggs/a.jpg", "uggs/b.jpg", "uggs/<b>.jpg", "hover/c.jpg"]
    part(curator, upload, 1, *files, names=names)
    curator.post(reverse(PAGE), {"upload": upload, "label": "", **WHAT})
    job = perform()
    page = curator.get(reverse("admin:curation_import_change", args=[job.pk])).content.decode()
    images = f"{reverse('admin:curation_shoeimage_changelist')}?imported_by__id__exact={job.pk}"
    assert f'href="{images}">1</a>' in page
    assert "no picture, or none of a known format" in page
    assert "uggs/&lt;b&gt;.jpg" in page
    assert "hover" in page
    assert curator.get(images).context["cl"].result_count == 1


def test_a_path_is_needed_where_nothing_is_uploaded(curator):
    data = {"path": "", "licence": "CC0", "scene": "unknown", "label_map": "{}"}
    page = curator.post(reverse("admin:curation_import_add"), data)
    assert "This field is required" in page.content.decode()
