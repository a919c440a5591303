"""Export of a snapshot: layout, metadata, licences, missing pictures, command and download."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
import yaml
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.urls import reverse

from curation import images, ingest
from curation.decisions import purge
from curation.imports.run import open_source
from curation.models import Import, ShoeImage
from curation.snapshots import freeze, manifest
from curation.snapshots.export.records import LicenceNotThere
from curation.snapshots.export.stream import stream
from tests.factories import jpeg, stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def frozen():
    for seed in range(24):
        slug = ("chelsea-boots", "uggs", "sneakers")[seed % 3]
        stored_image(
            seed, slug, source="shop", group=f"shop:{seed}", licence=("CC0", "unknown")[seed % 2],
            title=f"Schöner Schuh {seed}, “x”", page_url=f"https://shop.example/{seed}",
            file_url=f"https://cdn.example/{seed}.jpg", query="a shoe",
        )  # fmt: skip
    return freeze.freeze("spring", freeze.Filter())


def opened(chunks) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(chunks)))
    assert archive.testzip() is None
    return archive


def table(archive) -> list[dict]:
    return list(csv.DictReader(io.TextIOWrapper(archive.open("images.csv"), "utf-8")))


def pictures(archive) -> set[str]:
    return {name for name in archive.namelist() if name.endswith(".jpg")}


def test_an_image_folder_has_a_folder_for_each_split_and_label(frozen):
    archive = opened(stream(frozen, "imagefolder"))
    lines = list(manifest.read(frozen))
    assert pictures(archive) == {f"{x.split}/{x.label}/{x.sha256[:16]}.jpg" for x in lines}
    assert len(pictures(archive)) == 24
    assert set(archive.namelist()) - pictures(archive) == {"images.csv", "README.md"}
    for line in lines:
        data = archive.read(f"{line.split}/{line.label}/{line.sha256[:16]}.jpg")
        assert images.sha256_hex(data) == line.stored_sha256


def test_a_split_holds_folders_of_pictures_and_nothing_else(frozen, tmp_path):
    """torchvision takes every folder of a split for a class, and refuses one without pictures;
    fastai takes the grandparent's name for the split."""
    opened(stream(frozen, "imagefolder")).extractall(tmp_path)
    for split in ("train", "valid", "test"):
        for label in (tmp_path / split).iterdir():
            assert label.is_dir()
            assert all(file.suffix == ".jpg" for file in label.iterdir())
            assert list(label.iterdir())
    assert {f.parent.parent.name for f in tmp_path.rglob("*.jpg")} <= {"train", "valid", "test"}


def test_pictures_are_stored_and_metadata_is_compressed(frozen):
    archive = opened(stream(frozen, "imagefolder"))
    kinds = {i.filename.endswith(".jpg"): i.compress_type for i in archive.infolist()}
    assert kinds == {True: zipfile.ZIP_STORED, False: zipfile.ZIP_DEFLATED}


def test_the_csv_has_all_metadata_of_each_picture(frozen):
    archive = opened(stream(frozen, "imagefolder"))
    rows = table(archive)
    assert {row["path"] for row in rows} == pictures(archive)
    row = next(row for row in rows if row["page_url"] == "https://shop.example/3")
    image = ShoeImage.objects.get(page_url="https://shop.example/3")
    assert row == {
        "path": f"{image.split}/chelsea-boots/{image.sha256[:16]}.jpg",
        "class": "chelsea-boots", "label_name": image.label.name,
        "category": image.label.category.name, "split": image.split, "group": "shop:3",
        "source": "shop", "scene": "unknown", "licence": "unknown",
        "rights": "licence unknown, ask the owner", "consent": "",
        "page_url": "https://shop.example/3", "file_url": "https://cdn.example/3.jpg",
        "title": "Schöner Schuh 3, “x”", "query": "a shoe", "sha256": image.sha256,
        "file_sha256": image.stored_sha256,
    }  # fmt: skip


def test_a_hugging_face_folder_names_files_relative_to_each_splits_metadata(frozen):
    archive = opened(stream(frozen, "huggingface"))
    seen = set()
    for name in archive.namelist():
        folder, _, file = name.partition("/")
        if file == "metadata.jsonl":
            rows = [json.loads(line) for line in archive.read(name).decode().splitlines()]
            assert {row["split"] for row in rows} == {folder}
            assert all(row["file_name"].split("/")[0] == row["label"] for row in rows)
            seen |= {f"{folder}/{row['file_name']}" for row in rows}
    assert seen == pictures(archive)
    assert len(seen) == 24


def test_the_card_begins_with_the_hubs_front_matter(frozen):
    archive = opened(stream(frozen, "huggingface"))
    _, head, body = archive.read("README.md").decode().split("---\n", 2)
    head = yaml.safe_load(head)
    assert (head["pretty_name"], head["license"]) == ("spring", "other")
    assert head["task_categories"] == ["image-classification"]
    files = {part["split"]: part["path"] for part in head["configs"][0]["data_files"]}
    folders = {name.split("/")[0] for name in pictures(archive)}
    assert set(files.values()) == {f"{folder}/**" for folder in folders}
    assert files["validation"] == "valid/**"
    assert "24 photographs" in body
    assert "| CC0 | licence stated | 12 |" in body
    assert "those of the images' owners" in body


def test_pictures_given_for_training_are_marked():
    image = stored_image(1, licence="CC0")
    ShoeImage.objects.filter(pk=image.pk).update(consent="You may train on it.")
    archive = opened(stream(freeze.freeze("s", freeze.Filter()), "imagefolder"))
    (row,) = table(archive)
    assert row["rights"] == "given for training only, see consent"
    assert row["consent"] == "You may train on it."
    assert "given for training only" in archive.read("README.md").decode()


def test_a_title_that_looks_like_a_formula_is_quoted():
    stored_image(1, title='=HYPERLINK("https://x.example")')
    frozen = freeze.freeze("s", freeze.Filter())
    (row,) = table(opened(stream(frozen, "imagefolder")))
    assert row["title"] == '\'=HYPERLINK("https://x.example")'
    archive = opened(stream(frozen, "huggingface"))
    (name,) = [n for n in archive.namelist() if n.endswith("metadata.jsonl")]
    assert json.loads(archive.read(name))["title"] == '=HYPERLINK("https://x.example")'


def test_only_chosen_licences_are_exported(frozen):
    archive = opened(stream(frozen, "imagefolder", ["CC0"]))
    assert {row["licence"] for row in table(archive)} == {"CC0"}
    assert len(pictures(archive)) == 12
    with pytest.raises(LicenceNotThere) as refused:
        stream(frozen, "imagefolder", ["cc0"])
    assert refused.value.detail.endswith("It has these: “CC0”, “unknown”.")


def test_pictures_purged_while_streaming_are_listed_as_missing(
    frozen, member, django_capture_on_commit_callbacks
):
    lines = list(manifest.read(frozen))
    gone = {lines[10].sha256, lines[-1].sha256}

    def watch(done, of):
        if done == 5:
            with django_capture_on_commit_callbacks(execute=True):
                chosen = ShoeImage.objects.filter(sha256__in=gone)
                purge.purge(chosen, member("Operator"), "asked to", "two")

    archive = opened(stream(frozen, "imagefolder", tick=watch))
    missing = list(csv.DictReader(io.TextIOWrapper(archive.open("missing.csv"))))
    assert {row["sha256"] for row in missing} == gone
    assert len(pictures(archive)) == len(table(archive)) == 22
    assert not gone & {row["sha256"] for row in table(archive)}
    assert "2 pictures of the snapshot are not here" in archive.read("README.md").decode()


def test_a_purged_picture_whose_file_is_still_there_is_left_out(frozen, member):
    line = next(manifest.read(frozen))
    purge.purge(ShoeImage.objects.filter(sha256=line.sha256), member("Operator"), "x", "one")
    archive = opened(stream(frozen, "imagefolder"))
    assert list(csv.reader(io.TextIOWrapper(archive.open("missing.csv"))))[1][2] == "purged"


def test_a_damaged_file_is_left_out(frozen):
    line = next(manifest.read(frozen))
    name = f"images/{line.stored_sha256[:2]}/{line.stored_sha256}.jpg"
    Path(storages["media"].path(name)).write_bytes(jpeg(99))
    archive = opened(stream(frozen, "imagefolder"))
    assert list(csv.reader(io.TextIOWrapper(archive.open("missing.csv"))))[1][2] == "damaged"


def test_an_export_can_be_imported_elsewhere(frozen, tmp_path):
    """The CSV's columns are an import's."""
    opened(stream(frozen, "imagefolder")).extractall(tmp_path)
    job = Import(path=str(tmp_path / "images.csv"))
    with open_source(job, ingest.Labels()) as source:
        entries = source.entries()
        assert all(source.read(entry)[:2] == b"\xff\xd8" for entry in entries)
    assert {entry.label for entry in entries} == {"chelsea-boots", "uggs", "sneakers"}


def test_the_command_writes_a_file_and_replaces_none_unasked(frozen, tmp_path, capsys):
    out = tmp_path / "spring.zip"
    call_command("export_images", "spring", out=str(out))
    assert len(pictures(zipfile.ZipFile(out))) == 24
    assert "24/24 images" in capsys.readouterr().err
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_images", "spring", out=str(out))
    call_command("export_images", "spring", out=str(out), force=True, licence=["CC0"])
    assert len(pictures(zipfile.ZipFile(out))) == 12
    assert [file.name for file in tmp_path.iterdir()] == ["spring.zip"]


@pytest.mark.parametrize(
    ("name", "out", "says"),
    [
        ("autumn", "a.zip", "There is no snapshot “autumn”"),
        ("spring", "none/a.zip", "cannot be written: No such file"),
        ("spring", ".", "is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_in_words(frozen, tmp_path, name, out, says):
    with pytest.raises(CommandError, match=says):
        call_command("export_images", name, out=str(tmp_path / out))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_command_leaves_no_file(frozen, tmp_path, monkeypatch):
    def stop(self, done, of, what):
        if done == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("curation.management.commands.export_images.ProgressBar.show", stop)
    with pytest.raises(CommandError, match="nothing was kept"):
        call_command("export_images", "spring", out=str(tmp_path / "a.zip"))
    assert list(tmp_path.iterdir()) == []


def test_a_curator_downloads_it_and_others_do_not(frozen, client, member):
    address = reverse("admin:curation_snapshot_export", args=[frozen.pk, "imagefolder"])
    assert client.get(address).status_code == 302
    client.force_login(member(name="nobody"))
    assert client.get(address).status_code == 403
    client.force_login(member("Curator"))
    page = client.get(reverse("admin:curation_snapshot_change", args=[frozen.pk]))
    assert address in page.content.decode()
    answer = client.get(address)
    assert answer.streaming
    assert 'filename="spring-imagefolder.zip"' in answer["Content-Disposition"]
    assert len(pictures(opened(answer.streaming_content))) == 24
    answer = client.get(address, {"licence": "CC0"})
    assert len(pictures(opened(answer.streaming_content))) == 12
    answer = client.get(address, {"licence": "CC9"}, follow=True)
    assert "It has these" in answer.content.decode()
    other = reverse("admin:curation_snapshot_export", args=[frozen.pk, "tar"])
    assert client.get(other).status_code == 404
