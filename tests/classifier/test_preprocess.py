import io

import numpy as np
import pytest
from PIL import Image

from classifier.errors import UnreadablePicture
from classifier.inference.preprocess import Preprocess, open_photo, padded, square, to_array
from tests.shape_drawings import draw

WIDE = Image.new("RGB", (400, 100), (10, 20, 30))


def test_padding_keeps_the_whole_picture_in_the_middle():
    pixels = np.asarray(square(WIDE, Preprocess(64)))
    assert pixels.shape == (64, 64, 3)
    assert (pixels[24:40] == (10, 20, 30)).all()
    assert (pixels[:24] == 255).all() and (pixels[40:] == 255).all()


def test_background_can_be_chosen():
    pixels = np.asarray(square(WIDE, Preprocess(64, background=(1, 2, 3))))
    assert tuple(pixels[0, 0]) == (1, 2, 3)


def test_one_pixel_high_picture_is_still_there():
    pixels = np.asarray(square(Image.new("RGB", (3000, 1)), Preprocess(32)))
    assert (pixels == 0).any()


def test_small_picture_is_enlarged():
    assert square(Image.new("RGB", (5, 9)), Preprocess(32)).size == (32, 32)


def test_crop_squeezes_and_takes_the_middle():
    # 224 + 32 pixels as in fastai: a frame of 1/16 on every side is cut off.
    image = Image.new("RGB", (512, 256), (255, 0, 0))
    image.paste((0, 0, 255), (40, 20, 472, 236))
    pixels = np.asarray(square(image, Preprocess(224, fit="crop")))
    assert pixels.shape == (224, 224, 3)
    assert (pixels[8:-8, 8:-8] == (0, 0, 255)).all()
    assert (pixels[0, 0] == (255, 0, 0)).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_other_modes_become_rgb(mode):
    assert square(WIDE.convert(mode), Preprocess(32)).mode == "RGB"


def test_array_is_normalised_channels_first():
    spec = Preprocess(32, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 2.0))
    array = to_array(Image.new("RGB", (32, 32), (255, 255, 255)), spec)
    assert array.shape == (3, 32, 32) and array.dtype == np.float32
    assert array.flags["C_CONTIGUOUS"]
    assert array[:, 0, 0].tolist() == [1.0, 1.0, 0.5]


def test_padded_does_not_scale():
    assert padded(WIDE, (255, 255, 255)).size == (400, 400)


def test_large_jpeg_is_decoded_at_reduced_scale():
    data = io.BytesIO()
    Image.new("RGB", (1600, 1200)).save(data, "JPEG")
    data.seek(0)
    assert open_photo(data, 128).size == (200, 150)


def test_training_reads_a_picture_as_serving_does(tmp_path):
    from curation.images import decode

    path = tmp_path / "a.jpg"
    draw("ring", 1, size=900).save(path)
    trained_on, served = open_photo(path, 64), decode(path.read_bytes(), at_least=64).image
    assert np.array_equal(np.asarray(trained_on), np.asarray(served))


def test_damaged_picture_is_named(tmp_path):
    path = tmp_path / "a.jpg"
    draw("disc", 1).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadablePicture, match="a.jpg"):
        open_photo(path, 64)


def test_preprocess_survives_json():
    spec = Preprocess(96, "crop", (0.5,) * 3, (0.25,) * 3, (0, 0, 0))
    assert Preprocess.from_json(spec.as_json()) == spec


@pytest.mark.parametrize(
    "change", [{"size": 0}, {"fit": "x"}, {"std": [0, 1, 1]}, {"mean": [0.5]}, {"size": None}]
)
def test_unusable_preprocess_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        Preprocess.from_json({**Preprocess(96).as_json(), **change})
