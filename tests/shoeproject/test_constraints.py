"""Rows that the database itself refuses."""

import pytest
from django.db import IntegrityError, transaction

from classifier.models import Evaluation, ModelVersion
from curation.models import Category, Finding, Import, ShoeImage, ShoeType, Snapshot
from tests.factories import row, shoe_type

pytestmark = pytest.mark.django_db


def refused(save):
    with pytest.raises(IntegrityError), transaction.atomic():
        save()


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "confirmed"},
        {"state": "lost"},
        {"state": "purged"},
        {"stored_sha256": ""},
        {"split": "dev"},
        {"scene": "moon"},
        {"sha256": "A" * 64},
        {"sha256": "0" * 63},
        {"width": 0},
        {"split_key": ""},
    ],
)
def test_impossible_images(fields):
    refused(row(1, **fields).save)


def test_the_same_bytes_have_one_row():
    row(1).save()
    refused(row(1).save)


def test_a_type_has_a_category_and_only_a_type():
    boots = Category.objects.get(slug="boots")
    refused(ShoeType(slug="x", name="X", kind="type").save)
    refused(ShoeType(slug="x", name="X", kind="other-shoe", category=boots).save)


def test_one_row_stands_for_other_shoes():
    refused(ShoeType(slug="x", name="X", kind="other-shoe").save)


def test_a_type_is_not_merged_into_itself():
    uggs = shoe_type("uggs")
    uggs.merged_into = uggs
    refused(uggs.save)


def test_a_finding_is_unique_and_another_suggestion_is_another_finding():
    row(1).save()
    image = ShoeImage.objects.get()
    Finding.objects.create(image=image, reason="label-issue", suggested="uggs")
    Finding.objects.create(image=image, reason="label-issue", suggested="mules")
    refused(lambda: Finding.objects.create(image=image, reason="label-issue", suggested="uggs"))
    Finding.objects.create(image=image, reason="outlier")
    refused(lambda: Finding.objects.create(image=image, reason="outlier"))


def test_one_version_is_active():
    ModelVersion.objects.create(name="a", digest="a" * 64, card={}, active=True)
    refused(lambda: ModelVersion.objects.create(name="b", digest="b" * 64, card={}, active=True))


def test_one_evaluation_for_a_version_and_a_snapshot():
    version = ModelVersion.objects.create(name="a", digest="a" * 64, card={})
    frozen = Snapshot.objects.create(name="s", digest="c" * 64)
    Evaluation.objects.create(version=version, snapshot=frozen)
    refused(lambda: Evaluation.objects.create(version=version, snapshot=frozen))


def test_a_job_is_in_a_known_state():
    refused(lambda: Import.objects.create(path="/x", state="dreaming"))


def test_the_guide_comes_with_migrate():
    types = ShoeType.objects.filter(kind="type")
    assert types.count() == 36
    assert Category.objects.count() == 5
    assert ShoeType.objects.exclude(kind="type").count() == 2
    assert ShoeType.objects.get(slug="sneakers").original_label == "Sneakers "
    for kind in types:
        assert len(kind.search_terms) >= 2, kind
        assert len(kind.pros) >= 3, kind
        assert len(kind.cons) >= 2, kind
        assert kind.distinction, kind
