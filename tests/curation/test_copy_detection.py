"""Altered copies of a photograph are found, and other photographs are not."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from classifier.assess import near_duplicates
from curation.similarity import registration
from tests.drawing import BLUE, shoe

SIZE = (240, 180)


def recompressed(image):
    """The same with little left of its detail: a quarter of the pixels."""
    return image.resize((120, 90)).resize(SIZE)


ALTERED = {
    "mirrored": ImageOps.mirror,
    "scaled": lambda image: image.resize((150, 112)),
    "blurred by saving": recompressed,
    "framed in grey": lambda image: ImageOps.expand(image, 20, (128, 128, 128)),
    "framed in black": lambda image: ImageOps.expand(image, 25, (0, 0, 0)),
    "wide white margin": lambda image: ImageOps.expand(image, 40, (255, 255, 255)),
    "cut": lambda image: image.crop((12, 9, 232, 174)),
}


def difference(one, other) -> float:
    looks = [registration.comparison_images(image) for image in (one, other)]
    wholes, contents = (np.stack(column) for column in zip(*looks, strict=True))
    return float(registration.differences(np.array([[0, 1]]), wholes, contents)[0])


@pytest.mark.parametrize("how", ALTERED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_altered_copy_is_found(how, seed):
    original = shoe(SIZE, seed=seed)
    assert difference(original, ALTERED[how](original)) < registration.COPY_BELOW


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_colour_or_other_shoe_is_no_copy(seed):
    original = shoe(SIZE, seed=seed)
    assert difference(original, shoe(SIZE, BLUE, seed)) > registration.COPY_BELOW
    assert difference(original, shoe(SIZE, seed=seed + 10)) > registration.COPY_BELOW


def test_white_shoes_on_white_are_no_copies():
    pale = (246, 246, 246)
    first, second = (shoe(SIZE, pale, seed) for seed in (4, 5))
    assert difference(first, second) > registration.COPY_BELOW


def test_the_same_shoe_with_another_lining_is_no_copy():
    original = shoe(SIZE, seed=3)
    other = original.copy()
    other.paste((190, 60, 60), (110, 85, 126, 101))
    assert difference(original, other) > registration.COPY_BELOW


def test_nested_frames_are_removed():
    pixels = np.full((60, 80, 3), 255, np.uint8)
    pixels[20:50, 30:60] = np.random.default_rng(0).integers(0, 200, (30, 30, 3))
    framed = np.pad(pixels, ((6, 6), (6, 6), (0, 0)), constant_values=0)
    unframed, content = registration.content_boxes(framed)
    assert content == (36, 26, 66, 56)
    left, top, right, bottom = unframed
    assert 6 <= left <= 8 and 6 <= top <= 8 and 84 <= right <= 86 and 64 <= bottom <= 66


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (16, 16)])
def test_any_aspect_ratio_works(size):
    whole, content = registration.comparison_images(Image.new("RGB", size, (255, 255, 255)))
    assert whole.shape == content.shape == (registration.SIDE, registration.SIDE, 3)


def test_candidates_include_mirrored_and_similar_images():
    images = [shoe(SIZE, seed=seed) for seed in range(6)]
    images.append(ImageOps.mirror(images[2]))
    contents = np.stack([registration.comparison_images(image)[1] for image in images])
    features = np.eye(7, dtype=np.float32)
    features[5] = features[4]
    pairs = {tuple(pair) for pair in near_duplicates.candidates(features, contents).tolist()}
    assert (2, 6) in pairs  # they look alike, once mirrored
    assert (4, 5) in pairs  # near each other in feature space
    assert all(a < b for a, b in pairs)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_images_work(number):
    contents = np.zeros((number, registration.SIDE, registration.SIDE, 3), np.uint8)
    pairs = near_duplicates.candidates(np.ones((number, 3), np.float32), contents)
    assert pairs.shape[1] == 2
    assert len(registration.differences(pairs, contents, contents)) == len(pairs)


def test_groups_are_transitive():
    assert sorted(near_duplicates.groups([(0, 3), (3, 5), (1, 2)], 6)) == [[0, 3, 5], [1, 2]]
