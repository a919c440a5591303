"""Background replacement of catalogue shots, and pictures decoded once."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from classifier.jobs.decoded_pictures import DecodeRequest, decode, decode_all
from classifier.training.background_augmentation import cut_out, replace_background


def shot(ground=(255, 255, 255)) -> Image.Image:
    image = Image.new("RGB", (120, 90), ground)
    ImageDraw.Draw(image).ellipse((20, 25, 100, 75), fill=(150, 20, 20))
    return image


def test_what_stands_on_white_is_cut_out():
    mask = np.asarray(cut_out(shot()))
    assert mask[50, 60] == 255 and mask[5, 5] == 0
    assert 0.2 < (mask > 127).mean() < 0.4


def test_white_inside_a_shoe_belongs_to_it():
    image = shot()
    ImageDraw.Draw(image).rectangle((50, 45, 70, 55), fill=(255, 255, 255))
    assert np.asarray(cut_out(image))[50, 60] == 255


@pytest.mark.parametrize(
    "image",
    [shot((90, 120, 80)), Image.new("RGB", (80, 80), "white"), Image.new("RGB", (1, 1), "white")],
    ids=["photographed ground", "nothing there", "one pixel"],
)
def test_what_cannot_be_cut_out_stays_as_it_is(image):
    assert cut_out(image) is None
    assert replace_background(image, None, random.Random(1)) is image


@pytest.mark.parametrize("number", range(8))
def test_the_ground_changes_and_the_shoe_stays_in_view(number):
    photo = Image.new("RGB", (200, 150), (40, 90, 160))
    image = replace_background(shot(), photo, random.Random(number))
    assert image.size == (120, 120) and image.mode == "RGB"
    pixels = np.asarray(image).astype(int)
    red = (pixels[..., 0] > pixels[..., 2] + 30).mean()
    assert red > 0.03
    assert (pixels.min(axis=2) > 235).mean() < 0.02  # no white ground is left


def test_the_same_random_numbers_give_the_same_picture():
    photo = Image.effect_noise((200, 150), 80).convert("RGB")
    one, two, other = (
        replace_background(shot(), photo, random.Random(seed)).tobytes() for seed in (4, 4, 5)
    )
    assert one == two != other


@pytest.fixture
def requests(tmp_path):
    """Two pictures, one as training reads it and one as validation does."""
    rows = []
    for number, size in enumerate(((300, 200), (90, 120))):
        path = tmp_path / f"{number}.jpg"
        Image.effect_noise(size, 60).convert("RGB").save(path)
        rows += [DecodeRequest(path, 64, shrink=number == 0)]
    return rows


def test_a_picture_is_the_same_from_memory_and_from_its_file(requests, tmp_path):
    kept = decode_all(requests, tmp_path / "decoded", 10**6)
    for one in requests:
        from_file = decode(one)
        one.path.rename(one.path.with_suffix(".gone"))
        assert kept.open(one).tobytes() == from_file.tobytes()
    assert min(decode(DecodeRequest(requests[0].path.with_suffix(".gone"), 64, True)).size) == 64


def test_a_second_training_decodes_nothing_and_another_set_replaces_the_first(requests, tmp_path):
    folder = tmp_path / "decoded"
    decode_all(requests, folder, 10**6)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    told = []
    decode_all(requests, folder, 10**6, told.append)
    assert told == [] and before == {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    decode_all(requests[:1], folder, 10**6)
    assert len(list(folder.iterdir())) == 2 and not before.keys() & {
        path.name for path in folder.iterdir()
    }


def test_another_size_is_decoded_from_the_file(requests, tmp_path):
    kept = decode_all(requests, tmp_path / "decoded", 10**6)
    larger = DecodeRequest(requests[0].path, 150, shrink=True)
    assert min(kept.open(larger).size) == 150


def test_too_many_pixels_for_the_limit_leave_nothing_behind(requests, tmp_path):
    kept = decode_all(requests, tmp_path / "decoded", 1000)
    assert list((tmp_path / "decoded").iterdir()) == []
    assert kept.open(requests[0]).tobytes() == decode(requests[0]).tobytes()


def test_a_broken_off_decoding_leaves_nothing_behind(requests, tmp_path):
    def stop(done):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        decode_all(requests, tmp_path / "decoded", 10**6, stop)
    assert list((tmp_path / "decoded").iterdir()) == []
