"""Imports from disk: what is taken in, what is refused, and that a second one adds nothing."""

import json

import pytest
from django.core.files.storage import storages
from django.core.management import call_command

from curation import images, ingest
from curation.imports.run import import_images
from curation.models import Import, Review, ShoeImage
from shoeproject import jobs
from tests import decisions
from tests.factories import jpeg, shoe_type, stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    for number, name in enumerate(["chelsea-boots", "Old skool", "Sneakers ", "chelsea_boots"]):
        (root / name).mkdir(parents=True)
        (root / name / "one.jpg").write_bytes(jpeg(number))
    return root


def run(path, **fields) -> Import:
    job = Import.objects.create(path=str(path), **fields)
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    return job


def test_a_folder_for_each_label_by_slug_name_or_first_class_name(folder):
    job = run(folder, source="me", licence="CC0")
    assert (job.state, job.report["added"]) == ("done", 4)
    labels = ShoeImage.objects.values_list("label__slug", flat=True)
    assert sorted(labels) == ["chelsea-boots", "chelsea-boots", "old-skool", "sneakers"]
    image = ShoeImage.objects.first()
    assert (image.source, image.licence, image.state) == ("me", "CC0", "unreviewed")
    assert image.imported_by == job


def test_an_import_leaves_history(folder):
    run(folder)
    assert Review.objects.filter(action="import").count() == 4


def test_the_stored_file_is_upright_jpeg_without_metadata():
    image = stored_image(3)
    with storages["media"].open(image.file_name) as file:
        data = file.read()
    from PIL import Image

    with Image.open(storages["media"].open(image.file_name)) as picture:
        assert picture.format == "JPEG"
        assert not picture.getexif()
    assert images.sha256_hex(data) == image.stored_sha256


def test_a_second_import_adds_nothing(folder):
    run(folder)
    again = run(folder)
    assert (again.report["added"], again.report["known"]) == (0, 4)
    assert ShoeImage.objects.count() == 4
    assert Review.objects.count() == 4


def test_the_same_picture_twice_in_one_folder_is_one_image(folder):
    (folder / "chelsea-boots" / "copy.jpg").write_bytes(jpeg(0))
    assert run(folder).report["added"] == 4


def test_rejected_image_is_not_imported_again(folder, member):
    run(folder)
    decisions.reject(ShoeImage.objects.all(), by=member("Curator"))
    run(folder)
    assert set(ShoeImage.objects.values_list("state", flat=True)) == {"rejected"}


def test_unknown_labels_and_broken_files_are_reported_not_fatal(folder):
    (folder / "hoverboards").mkdir()
    (folder / "hoverboards" / "one.jpg").write_bytes(jpeg(9))
    (folder / "chelsea-boots" / "broken.jpg").write_bytes(jpeg(10)[:500])
    (folder / "chelsea-boots" / "text.jpg").write_text("no picture")
    (folder / "chelsea-boots" / ".hidden.jpg").write_text("no picture")
    (folder / "chelsea-boots" / "README.md").write_text("no picture")
    report = run(folder).report
    assert report["added"] == 4
    assert report["unknown_labels"] == {"hoverboards": 1}
    assert report["refused"] == {"image_broken": 1, "image_unsupported": 1}
    assert {p["path"] for p in report["problems"]} == {
        "chelsea-boots/broken.jpg",
        "chelsea-boots/text.jpg",
    }


def test_a_label_map_translates_labels(folder):
    (folder / "hoverboards").mkdir()
    (folder / "hoverboards" / "one.jpg").write_bytes(jpeg(9))
    job = run(folder, label_map={"Hoverboards": "sneakers"})
    assert job.report["added"] == 5


def test_an_oversized_file_is_refused_unread(folder, settings):
    settings.IMAGE_MAX_BYTES = 1000
    assert run(folder).report["refused"] == {"image_too_large": 4}


def write_csv(folder, text):
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    return folder / "manifest.csv"


def test_a_csv_may_give_group_source_licence_scene_and_title(folder):
    manifest = write_csv(
        folder,
        "path,class,group,source,licence,scene,title\n"
        "chelsea-boots/one.jpg,Chelsea Boot,p1,shop,CC0,street,A boot\n"
        "Old skool/one.jpg,old-skool,p1,maker,,,\n",
    )
    assert run(manifest).report["added"] == 2
    boot = ShoeImage.objects.get(label__slug="chelsea-boots")
    assert (boot.group, boot.source, boot.licence) == ("shop:p1", "shop", "CC0")
    assert (boot.scene, boot.title, boot.split_key) == ("street", "A boot", "shop:p1")
    skool = ShoeImage.objects.get(label__slug="old-skool")
    assert (skool.group, skool.licence, skool.scene) == ("maker:p1", "unknown", "unknown")


def test_a_csv_cannot_reach_outside_its_folder(folder, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(jpeg(20))
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    manifest = write_csv(
        folder,
        f"path,class\n../secret.jpg,uggs\n{tmp_path}/secret.jpg,uggs\nlink.jpg,uggs\nnone.jpg,uggs\n",
    )
    report = run(manifest).report
    assert report["refused"] == {"outside": 3, "unreadable": 1}
    assert ShoeImage.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [("path,label\na,b\n", "no column class"), ("", "no column class and no column path")],
)
def test_a_csv_without_the_columns_fails_with_a_sentence(folder, text, says):
    job = run(write_csv(folder, text))
    assert job.state == "failed"
    assert says in job.error


def test_a_csv_in_another_encoding_fails_with_a_sentence(folder):
    (folder / "manifest.csv").write_bytes("path,class\nschöne.jpg,uggs\n".encode("latin-1"))
    job = run(folder / "manifest.csv")
    assert (job.state, "UTF-8" in job.error) == ("failed", True)


def test_an_import_resumed_after_a_crash_counts_as_one(folder):
    job = Import.objects.create(path=str(folder))
    claim = Import.claim(job.pk)
    stored = folder / "chelsea-boots" / "one.jpg"
    ingest.add_image(
        stored.read_bytes(), ingest.Origin(imported_by=job), label=shoe_type("chelsea-boots")
    )
    claim.requeue()
    jobs.perform(Import, job.pk, import_images)
    job.refresh_from_db()
    assert (job.report["added"], job.report["known"]) == (4, 0)


def test_the_command_prints_the_report(folder, capsys, tmp_path):
    (folder / "hoverboards").mkdir()
    (folder / "hoverboards" / "one.jpg").write_bytes(jpeg(9))
    call_command("import_images", str(folder))
    out = capsys.readouterr()
    assert "4 added, 0 known already, 0 refused, 1 with unknown labels." in out.out
    assert "hoverboards" in out.err
    names = tmp_path / "map.json"
    names.write_text(json.dumps({"hoverboards": "sneakers"}))
    call_command("import_images", str(folder), "--map", str(names))
    assert "1 added, 4 known already" in capsys.readouterr().out
