"""Decoding and encoding of valid pictures."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image, ImageCms

from curation import images
from curation.errors import CurationError
from curation.images import Limits, decode, encode
from tests.drawing import FORMATS, LOSSY, P3_PRIMARIES, display_p3, encoded, exif, png, shoe

# Four corners of four colours: every turn and mirror gives another order.
CORNERS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (220, 200, 40)]


def four_corners(size=(96, 64)):
    small = Image.new("RGB", (2, 2))
    small.putdata(CORNERS)
    return small.resize(size, Image.Resampling.NEAREST)


def corners(image):
    width, height = image.size
    spots = [(width // 4 + width // 2 * x, height // 4 + height // 2 * y)
             for y in (0, 1) for x in (0, 1)]  # fmt: skip
    return [image.getpixel(spot) for spot in spots]


def near(found, wanted, tolerance=8):
    return np.abs(np.subtract(found, wanted, dtype=float)).max() <= tolerance


@pytest.mark.parametrize("format", FORMATS)
def test_every_accepted_format_becomes_upright_rgb(format):
    picture = decode(encoded(four_corners(), format))
    assert (picture.format, picture.width, picture.height) == (FORMATS[format], 96, 64)
    assert picture.image.mode == "RGB" and picture.image.size == (96, 64)
    assert near(corners(picture.image), CORNERS, 8 if format in LOSSY else 0)


@pytest.mark.parametrize("format", FORMATS)
def test_the_picture_carries_no_metadata(format):
    options = {} if format in ("GIF", "BMP") else {"exif": exif(1)}
    picture = decode(encoded(shoe(), format, **options))
    assert type(picture.image) is Image.Image
    assert not picture.image.info and not picture.image.getexif()


TURNED = {  # what the camera stored, given the orientation that it notes
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_orientation_is_honoured_once(format, orientation):
    stored = four_corners()
    for turn in TURNED[orientation]:
        stored = stored.transpose(turn)
    picture = decode(encoded(stored, format, exif=exif(orientation)))
    assert (picture.width, picture.height) == picture.image.size == (96, 64)
    assert near(corners(picture.image), CORNERS, 10)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03",
        b"II*\0\x08\0\0\0\1\0\x12\1\x03\0\1\0\0\0\x63\0\0\0",  # orientation 99
        b"nonsense" * 100,
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_malformed_exif_block_does_not_refuse_a_good_picture(format, block):
    picture = decode(encoded(four_corners(), format, exif=b"Exif\0\0" + block))
    assert near(corners(picture.image), CORNERS)


def test_exif_after_the_pixels_of_a_png_is_read():
    data = encoded(four_corners().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif(6))
    start = data.index(b"eXIf") - 4
    chunk = data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]
    moved = data.replace(chunk, b"")
    assert decode(moved[:-12] + chunk + moved[-12:]).image.size == (96, 64)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    "at_least, size", [(None, (1200, 800)), (801, (1200, 800)), (400, (600, 400)),
                       (399, (600, 400)), (224, (600, 400)), (150, (300, 200)), (100, (150, 100)),
                       (1, (150, 100))]
)  # fmt: skip
def test_a_jpeg_is_reduced_as_far_as_the_shorter_side_allows(at_least, size, orientation):
    stored = four_corners((1200, 800))
    if orientation == 6:
        stored = stored.transpose(Image.Transpose.ROTATE_90)
    picture = decode(encoded(stored, exif=exif(orientation)), at_least=at_least)
    assert picture.image.size == size
    assert (picture.width, picture.height) == (1200, 800)
    assert near(corners(picture.image), CORNERS)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_other_formats_are_decoded_in_full(format):
    assert decode(encoded(shoe(), format), at_least=10).image.size == (160, 120)


def test_at_least_must_be_positive():
    with pytest.raises(ValueError):
        decode(encoded(shoe()), at_least=0)


def cmyk_jpeg(transform):
    """A red JPEG of four inks as Photoshop writes it: inverted, as CMYK (0) or YCCK (2)."""
    inks = Image.new("RGB", (64, 48), (35, 215, 210))  # cyan, magenta, yellow: a red
    if transform == 2:
        inks = inks.convert("YCbCr").point(lambda v: 255 - v)
    picture = Image.merge("CMYK", [*inks.split(), Image.new("L", (64, 48), 0)])
    data = bytearray(encoded(picture, quality=95))
    data[data.index(b"Adobe") + 11] = transform
    return bytes(data)


@pytest.mark.parametrize("transform", [0, 2])
@pytest.mark.parametrize("at_least, size", [(None, (64, 48)), (12, (16, 12))])
def test_cmyk_and_ycck_jpegs_keep_their_colours(transform, at_least, size):
    picture = decode(cmyk_jpeg(transform), at_least=at_least)
    assert picture.image.size == size
    assert near(picture.image.getpixel((5, 5)), (220, 40, 45))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_of_sixteen_bits_is_scaled_not_clipped(format):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    found = np.asarray(decode(encoded(Image.fromarray(ramp), format)).image)[0, :, 0]
    assert near(found, np.arange(256), 1)


@pytest.mark.parametrize(
    "values, wanted",
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 255]], np.float32), [0, 100, 255]),
        (np.array([[-5, 0, 5]], np.float32), [0, 128, 255]),
        (np.array([[0, np.nan, np.inf]], np.float32), [0, 0, 255]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
        (np.array([[7, 7, 7]], np.float32), [7, 7, 7]),
        (np.array([[-7, -7, -7]], np.float32), [0, 0, 0]),
    ],
)
def test_grey_of_thirty_two_bits_is_scaled(values, wanted):
    found = np.asarray(decode(encoded(Image.fromarray(values), "TIFF")).image)[0, :, 0]
    assert near(found, wanted, 1)


def test_transparent_parts_show_the_background():
    half = shoe().convert("RGBA")
    half.paste((0, 0, 0, 0), (0, 0, 80, 120))
    palette = half.quantize(16)
    grey = Image.new("LA", (160, 120), (90, 0))
    for data in (
        encoded(half, "PNG"), encoded(half, "WEBP", lossless=True), encoded(half, "TIFF"),
        encoded(half, "AVIF"), encoded(half, "HEIF"), encoded(palette, "PNG"),
        encoded(grey, "PNG"), encoded(Image.new("P", (160, 120)), "GIF", transparency=0),
        encoded(Image.new("L", (160, 120), 9), "PNG", transparency=9),
        encoded(Image.new("RGB", (160, 120), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
    ):  # fmt: skip
        assert near(decode(data).image.getpixel((5, 60)), (255, 255, 255), 3)
        blue = decode(data, background=(0, 0, 200)).image
        assert near(blue.getpixel((5, 60)), (0, 0, 200), 3)


def test_half_transparent_pixels_are_mixed():
    data = encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG")
    assert near(decode(data).image.getpixel((0, 0)), (127, 127, 127), 1)


def test_one_bit_grey_and_lab_pictures_become_rgb():
    bits = Image.new("1", (16, 16), 1)
    for format in ("PNG", "TIFF", "BMP"):
        assert decode(encoded(bits, format)).image.getpixel((3, 3)) == (255, 255, 255)
    assert decode(encoded(shoe().convert("L"))).image.getpixel((0, 0)) == (255, 255, 255)
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (16, 16), (190, 40, 45)),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert near(decode(encoded(lab, "TIFF")).image.getpixel((3, 3)), (190, 40, 45), 4)


def p3_to_srgb(colour):
    """Both spaces share sRGB's curve; primaries adapted to D50."""
    srgb = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
    linear = np.array([((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour])
    xyz = np.array(list(P3_PRIMARIES.values())).T @ linear
    linear = np.linalg.solve(np.array(srgb).T, xyz).clip(0.0031308, 1)
    return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_wide_colour_profile_is_converted_to_srgb(format, mode):
    colour = (180, 90, 80)
    # A JPEG has no alpha.
    drawn = Image.new("RGB", (64, 48), colour).convert("RGB" if format == "JPEG" else mode)
    found = decode(encoded(drawn, format, icc_profile=display_p3())).image.getpixel((9, 9))
    assert not near(p3_to_srgb(colour), colour, 8)
    assert near(found, p3_to_srgb(colour), 4)


@pytest.mark.parametrize(
    "profile", [b"junk", display_p3()[:200], bytes(128), display_p3().replace(b"RGB ", b"CMYK")]
)
def test_a_broken_or_foreign_profile_is_ignored(profile):
    data = encoded(four_corners(), "PNG", icc_profile=profile)
    assert corners(decode(data).image) == CORNERS


def test_an_srgb_profile_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert corners(decode(encoded(four_corners(), "PNG", icc_profile=srgb)).image) == CORNERS


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO"])
def test_only_the_first_frame_of_many_is_taken(format):
    others = [Image.new("RGB", (96, 64), (0, 0, shade)) for shade in (100, 200)]
    data = encoded(four_corners(), format, save_all=True, append_images=others)
    assert near(corners(decode(data).image), CORNERS, 10)


def test_what_a_phone_appends_to_a_jpeg_is_ignored():
    video = b"\0\0\0\x18ftypmp42" + b"\xff\xda\xff\xd8" * 1000
    assert near(corners(decode(encoded(four_corners()) + video).image), CORNERS)


def test_stored_bytes_are_reproducible_and_without_metadata():
    data = encoded(shoe(), comment=b"by me", exif=exif(1), icc_profile=display_p3())
    stored = encode(decode(data).image)
    assert stored == encode(decode(data).image)
    with Image.open(io.BytesIO(stored)) as image:
        assert image.format == "JPEG" and image.mode == "RGB"
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # no subsampling
    assert np.abs(np.subtract(decode(stored).image, decode(data).image, dtype=int)).mean() < 1


def test_a_comment_of_the_source_is_not_stored():
    with Image.open(io.BytesIO(encoded(shoe(), comment=b"taken at home"))) as image:
        assert b"taken at home" not in encode(image)


def test_only_rgb_is_stored():
    with pytest.raises(ValueError):
        encode(Image.new("RGBA", (4, 4)))


def test_sha256_is_of_the_bytes():
    assert images.sha256_hex(b"abc").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize(
    "error",
    [
        images.EmptyImage(),
        images.ImageTooLarge(21 * 1024**2, 20 * 1024**2),
        images.TooManyPixels(9000, 8000, 50_000_000),
        images.SideTooLong(40_000, 10, 32_768),
        images.UnsupportedFormat("a PDF"),
        images.BrokenImage("it ends early {so}"),
    ],
)
def test_errors_say_what_to_do_and_survive_pickling(error):
    assert isinstance(error, CurationError) and error.code.startswith("image_")
    assert ";" in str(error) and str(error) == error.detail
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.detail, vars(again)) == (type(error), error.detail, vars(error))


def test_limits_are_those_of_the_caller():
    data = png(40, 30, pixels=(b"\0" + bytes(40)) * 30)
    assert decode(data, Limits(max_pixels=1200)).width == 40
    with pytest.raises(images.TooManyPixels) as refusal:
        decode(data, Limits(max_pixels=1199))
    assert (refusal.value.width, refusal.value.height, refusal.value.limit) == (40, 30, 1199)
