"""Copies of images are refused when they come in; similar pictures are not."""

import io

import pytest
from PIL import Image, ImageEnhance

from curation import ingest
from curation.decisions import purge
from curation.models import ShoeImage
from tests import decisions
from tests.drawing import BLUE, shoe
from tests.factories import shoe_type

pytestmark = pytest.mark.django_db
SIZE = (320, 240)


def saved(image: Image.Image, quality=90) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def take(image, **options) -> ShoeImage:
    data = image if isinstance(image, bytes) else saved(image)
    origin = ingest.Origin(source="drawn")
    return ingest.add_image(data, origin, proposed=shoe_type(), keep_copies=False, **options)[0]


ALTERED = {
    "saved again": lambda image: saved(image, 40),
    "scaled down": lambda image: image.resize((200, 150)),
    "scaled up": lambda image: image.resize((800, 600)),
    "a little brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.04),
}


@pytest.mark.parametrize("how", ALTERED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_altered_copy_is_refused(how, seed):
    image = shoe(SIZE, seed=seed)
    first = take(image)
    with pytest.raises(ingest.NearCopy) as refused:
        take(ALTERED[how](image))
    assert (refused.value.image, refused.value.state) == (first.pk, "unreviewed")


def test_the_same_shoe_in_another_colour_is_no_copy():
    take(shoe(SIZE, seed=1))
    take(shoe(SIZE, BLUE, seed=1))
    assert ShoeImage.objects.count() == 2


def test_different_pictures_alike_in_hash_and_mean_colour_are_no_copies():
    """Two shoes on white whose few differing pixels neither hash nor mean colour tells apart."""
    one = shoe(SIZE, seed=4)
    other = one.copy()
    box = one.convert("L").point(lambda v: 255 * (v < 128)).getbbox()
    part = one.crop(box)
    other.paste(part.transpose(Image.Transpose.FLIP_TOP_BOTTOM), box[:2])
    first = take(one)
    second = take(other)
    assert first.pk != second.pk


def test_copies_are_taken_in_with_keep_copies():
    image = shoe(SIZE, seed=1)
    take(image)
    ingest.add_image(saved(image, 40), ingest.Origin(), keep_copies=True)
    assert ShoeImage.objects.count() == 2


def test_a_copy_of_a_rejected_image_is_refused_as_such(member):
    image = shoe(SIZE, seed=1)
    take(image)
    decisions.reject(ShoeImage.objects.all(), by=member("Curator"))
    with pytest.raises(ingest.NearCopy, match="rejected"):
        take(saved(image, 40))


def test_a_copy_of_a_purged_image_is_known_by_hash_and_colour(member):
    image = shoe(SIZE, seed=1)
    take(image)
    purge.purge(ShoeImage.objects.all(), member("Operator"), "asked to", "Images 1")
    with pytest.raises(ingest.NearCopy, match="purged"):
        take(saved(image, 60))


def test_a_copy_of_an_image_without_a_file_is_not_known(settings):
    from django.core.files.storage import storages

    image = shoe(SIZE, seed=9)
    storages["media"].delete(take(image).file_name)
    take(saved(image, 40))
    assert ShoeImage.objects.count() == 2


def test_pictures_below_min_side_are_refused():
    with pytest.raises(ingest.TooSmall, match="320 by 240 pixels; the shorter side needs 300"):
        take(shoe(SIZE), min_side=300)
