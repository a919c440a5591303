"""Snapshots: what gets in, that they are frozen, and that damage is noticed."""

import gzip

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from curation import review, snapshot
from curation.models import ShoeImage
from tests.factories import row, shoe_type, stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def images(member):
    label = shoe_type()
    rows = [row(n, label=label, group=f"shop:{n // 3}", source="shop") for n in range(60)]
    rows.append(row(100, label=None, proposed=label))
    rows.append(row(101, label=label, state="rejected"))
    rows.append(row(102, label=label, state="purged", stored_sha256=""))
    rows.append(row(103, label=label, width=90))
    rows.append(row(104, label=label, state="confirmed", licence="CC0", scene="street"))
    ShoeImage.objects.bulk_create(rows)


def test_by_default_everything_labelled_and_not_rejected(images):
    frozen = snapshot.freeze("all", snapshot.Filter())
    assert frozen.images == 62
    assert sum(frozen.counts["chelsea-boots"].values()) == 62


def test_filters(images):
    assert snapshot.freeze("big", snapshot.Filter(min_size=100)).images == 61
    assert snapshot.freeze("sure", snapshot.Filter(confirmed=True)).images == 1


def test_a_snapshot_reads_back_what_was_frozen_whatever_happens_later(images, member):
    frozen = snapshot.freeze("all", snapshot.Filter())
    before = list(snapshot.read(frozen))
    review.relabel(ShoeImage.objects.all()[:20], shoe_type("uggs"), by=member("Curator"))
    assert list(snapshot.read(frozen)) == before
    line = next(line for line in before if line.licence == "CC0")
    assert (line.label, line.scene) == ("chelsea-boots", "street")
    assert line.split == ShoeImage.objects.get(sha256=line.sha256).split


def test_no_group_is_in_two_splits(images):
    splits = {}
    for line in snapshot.read(snapshot.freeze("all", snapshot.Filter())):
        if line.group:
            assert splits.setdefault(line.group, line.split) == line.split


def test_same_images_same_digest_and_the_same_name_returns_it(images):
    first = snapshot.freeze("one", snapshot.Filter())
    assert snapshot.freeze("one", snapshot.Filter()).pk == first.pk
    assert snapshot.freeze("two", snapshot.Filter()).digest == first.digest


def test_a_name_is_not_given_twice_to_different_images(images):
    snapshot.freeze("one", snapshot.Filter())
    with pytest.raises(snapshot.NameTaken):
        snapshot.freeze("one", snapshot.Filter(min_size=100))


@pytest.mark.parametrize("name", ["", "with space", "slash/ed", "x" * 81])
def test_unusable_names_are_refused(images, name):
    with pytest.raises(snapshot.BadName):
        snapshot.freeze(name, snapshot.Filter())


def test_an_empty_snapshot_is_refused(db):
    with pytest.raises(snapshot.NothingToFreeze):
        snapshot.freeze("none", snapshot.Filter())


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_manifest_is_noticed(images, damage):
    frozen = snapshot.freeze("all", snapshot.Filter())
    with storages["media"].open(frozen.manifest_name) as file:
        data = file.read()
    storages["media"].delete(frozen.manifest_name)
    if damage == "cut":
        storages["media"].save(frozen.manifest_name, ContentFile(data[: len(data) // 2]))
    elif damage == "changed":
        text = gzip.decompress(data).replace(b"chelsea-boots", b"uggs", 1)
        storages["media"].save(frozen.manifest_name, ContentFile(gzip.compress(text)))
    with pytest.raises(snapshot.ManifestDamaged):
        snapshot.read(frozen)


def test_the_command_says_what_is_in_it(capsys):
    stored_image(1)
    call_command("snapshot", "spring", "--min-size", "100")
    assert "spring: 1 images of 1 labels" in capsys.readouterr().out
    with pytest.raises(CommandError, match="choose another name|No labelled"):
        call_command("snapshot", "spring", "--confirmed")
