"""Snapshots: which images they take, that they do not change, and that damage is noticed."""

import gzip

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from curation.models import ShoeImage
from curation.snapshots import freeze, manifest
from tests import decisions
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


def test_by_default_all_labelled_images_that_are_not_rejected(images):
    frozen = freeze.freeze("all", freeze.Filter())
    assert frozen.images == 62
    assert sum(frozen.counts["chelsea-boots"].values()) == 62


def test_filters(images):
    assert freeze.freeze("big", freeze.Filter(min_size=100)).images == 61
    assert freeze.freeze("sure", freeze.Filter(confirmed=True)).images == 1


def test_a_snapshot_reads_back_what_was_frozen_whatever_happens_later(images, member):
    frozen = freeze.freeze("all", freeze.Filter())
    before = list(manifest.read(frozen))
    decisions.relabel(ShoeImage.objects.all()[:20], shoe_type("uggs"), by=member("Curator"))
    assert list(manifest.read(frozen)) == before
    line = next(line for line in before if line.licence == "CC0")
    assert (line.label, line.scene) == ("chelsea-boots", "street")
    assert line.split == ShoeImage.objects.get(sha256=line.sha256).split


def test_no_group_is_in_two_splits(images):
    splits = {}
    for line in manifest.read(freeze.freeze("all", freeze.Filter())):
        if line.group:
            assert splits.setdefault(line.group, line.split) == line.split


def test_same_images_same_digest_and_the_same_name_returns_it(images):
    first = freeze.freeze("one", freeze.Filter())
    assert freeze.freeze("one", freeze.Filter()).pk == first.pk
    assert freeze.freeze("two", freeze.Filter()).digest == first.digest


def test_a_name_cannot_be_used_for_other_images(images):
    freeze.freeze("one", freeze.Filter())
    with pytest.raises(freeze.NameTaken):
        freeze.freeze("one", freeze.Filter(min_size=100))


@pytest.mark.parametrize("name", ["", "with space", "slash/ed", "x" * 81])
def test_unusable_names_are_refused(images, name):
    with pytest.raises(freeze.BadName):
        freeze.freeze(name, freeze.Filter())


def test_an_empty_snapshot_is_refused(db):
    with pytest.raises(freeze.NothingToFreeze):
        freeze.freeze("none", freeze.Filter())


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_manifest_is_noticed(images, damage):
    frozen = freeze.freeze("all", freeze.Filter())
    with storages["media"].open(frozen.manifest_name) as file:
        data = file.read()
    storages["media"].delete(frozen.manifest_name)
    if damage == "cut":
        storages["media"].save(frozen.manifest_name, ContentFile(data[: len(data) // 2]))
    elif damage == "changed":
        text = gzip.decompress(data).replace(b"chelsea-boots", b"uggs", 1)
        storages["media"].save(frozen.manifest_name, ContentFile(gzip.compress(text)))
    with pytest.raises(manifest.ManifestDamaged):
        manifest.read(frozen)


def test_the_command_prints_counts(capsys):
    stored_image(1)
    call_command("snapshot", "spring", "--min-size", "100")
    assert "spring: 1 images of 1 labels" in capsys.readouterr().out
    with pytest.raises(CommandError, match="choose another name|No labelled"):
        call_command("snapshot", "spring", "--confirmed")
