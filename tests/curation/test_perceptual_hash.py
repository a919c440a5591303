"""Perceptual hashes, their bands, and colour."""

import random

import pytest
from PIL import Image

from curation.images import decode
from curation.similarity.perceptual_hash import (
    band_neighbours,
    bands,
    colour_distance,
    distance,
    from_hex,
    mean_colour,
    phash,
    to_hex,
)
from tests.drawing import BLUE, RED, encoded, shoe

INDEXED_DISTANCE = 7  # hashes this close are found by their bands
SHOES = [shoe((320, 240), seed=seed) for seed in range(12)]


def test_the_hash_of_a_drawing_never_changes():
    # Stored hashes are compared with new ones: a change of the recipe must not go unnoticed.
    assert to_hex(phash(shoe((320, 240), seed=3))) == "9ff0c02fb80f6235"


def test_a_hash_has_sixty_four_bits_and_does_not_depend_on_mode():
    for image in SHOES:
        assert 0 <= phash(image) < 1 << 64
        assert phash(image.convert("L")) == phash(image)


@pytest.mark.parametrize("shade", [0, 1, 127, 255])
def test_flat_pictures_hash_alike_at_any_size(shade):
    sizes = [(1, 1), (31, 33), (640, 480), (4000, 1)]
    assert len({phash(Image.new("RGB", size, (shade,) * 3)) for size in sizes}) == 1


@pytest.mark.parametrize(
    "copy",
    [
        lambda image: decode(encoded(image, "JPEG", quality=40)).image,
        lambda image: decode(encoded(image, "WEBP", quality=50)).image,
        lambda image: image.resize((200, 150), Image.Resampling.LANCZOS),
        lambda image: image.resize((900, 675), Image.Resampling.BICUBIC),
        lambda image: image.resize((310, 250), Image.Resampling.BILINEAR),
        lambda image: image.point(lambda v: v * 0.9),
    ],
)
def test_copies_stay_within_the_indexed_distance(copy):
    for image in SHOES:
        assert distance(phash(image), phash(copy(image))) <= INDEXED_DISTANCE


def test_other_pictures_are_far():
    hashes = [phash(image) for image in SHOES]
    for i, a in enumerate(hashes):
        for b in hashes[:i]:
            assert distance(a, b) > INDEXED_DISTANCE


def test_hex_is_sixteen_digits_and_reversible():
    for value in (0, 1, 0xAB << 56, (1 << 64) - 1):
        assert len(to_hex(value)) == 16 and from_hex(to_hex(value)) == value
    assert to_hex(255) == "00000000000000ff"


@pytest.mark.parametrize("text", ["", "ff", "0" * 17, "0x00000000000000", "g" * 16, " " * 16])
def test_invalid_hashes_are_refused(text):
    with pytest.raises(ValueError):
        from_hex(text)


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_out_of_range_is_refused(value):
    for function in (to_hex, bands, band_neighbours):
        with pytest.raises(ValueError):
            function(value)


def test_distance_counts_bits():
    assert distance(0, 0) == 0
    assert distance(0, (1 << 64) - 1) == 64
    assert distance(0b1011, 0b0010) == 2


def test_bands_are_quarters_most_significant_first():
    assert bands(0x0123_4567_89AB_CDEF) == (0x0123, 0x4567, 0x89AB, 0xCDEF)


def test_a_band_has_itself_and_sixteen_neighbours():
    found = band_neighbours(0x00FF)
    assert found[0] == 0x00FF and len(set(found)) == 17
    assert all(0 <= other < 1 << 16 for other in found)
    assert all(distance(0x00FF, other) == 1 for other in found[1:])


def share_a_band(a, b):
    return any(
        theirs in band_neighbours(mine) for mine, theirs in zip(bands(a), bands(b), strict=True)
    )


def test_everything_within_distance_seven_is_found_through_bands():
    chance = random.Random(7)
    for _ in range(5000):
        a = chance.getrandbits(64)
        bits = chance.sample(range(64), chance.randint(0, INDEXED_DISTANCE))
        assert share_a_band(a, a ^ sum(1 << bit for bit in bits))


def test_distance_eight_can_be_missed():
    two_in_each = 0x0003_0003_0003_0003
    assert distance(0, two_in_each) == 8 and not share_a_band(0, two_in_each)


def test_mean_colour_is_that_of_the_whole_picture():
    half = Image.new("RGB", (101, 60), (255, 255, 255))
    half.paste((0, 0, 100), (0, 0, 101, 30))
    assert mean_colour(half) == (128, 128, 178)
    assert mean_colour(Image.new("L", (7, 9), 33)) == (33, 33, 33)


@pytest.mark.parametrize(
    "a, b, wanted",
    [
        ((0, 0, 0), (255, 255, 255), 100.0),
        ((10, 20, 30), (10, 20, 30), 0.0),
        # Lab of the sRGB primaries (D65): red (53.24, 80.09, 67.20), green (87.73, -86.18, 83.18),
        # blue (32.30, 79.19, -107.86).
        ((255, 0, 0), (0, 255, 0), 170.6),
        ((255, 0, 0), (0, 0, 255), 176.3),
        ((0, 255, 0), (0, 0, 255), 258.7),
    ],
)
def test_colour_distance_is_that_of_cie_1976(a, b, wanted):
    assert colour_distance(a, b) == pytest.approx(wanted, abs=0.1)
    assert colour_distance(a, b) == colour_distance(b, a)


def test_the_same_shoe_in_another_colour_is_told_from_a_copy_by_colour():
    for seed in range(6):
        red = shoe((320, 240), RED, seed)
        # The same luma everywhere, red and blue swapped places in the chroma.
        luma, blue_part, red_part = red.convert("YCbCr").split()
        recoloured = Image.merge("YCbCr", (luma, red_part, blue_part)).convert("RGB")
        copy = decode(encoded(red, quality=60)).image
        assert distance(phash(red), phash(recoloured)) <= INDEXED_DISTANCE
        assert colour_distance(mean_colour(red), mean_colour(copy)) < 2
        assert colour_distance(mean_colour(red), mean_colour(recoloured)) > 8
    assert colour_distance(mean_colour(shoe(colour=RED)), mean_colour(shoe(colour=BLUE))) > 8
