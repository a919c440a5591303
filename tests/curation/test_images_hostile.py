"""Decoding of damaged and hostile files."""

import random
import struct
import time
import warnings
import zlib

import pytest
from PIL import Image, ImageFile

from curation.errors import CurationError
from curation.images import Limits, Picture, decode
from curation.images.headers import MAX_JPEG_SCANS, MAX_JPEG_SEGMENTS
from tests.drawing import FORMATS, encoded, exif, png, png_chunk, shoe, tiff


def refusal(data, **options):
    with pytest.raises(CurationError) as caught:
        decode(data, **options)
    return caught.value


def test_an_empty_file_is_refused():
    assert refusal(b"").code == "image_empty"


def test_too_many_bytes_are_refused_unread():
    error = refusal(bytes(1001), limits=Limits(max_bytes=1000))
    assert (error.code, error.size, error.limit) == ("image_too_large", 1001, 1000)


@pytest.mark.parametrize("format", FORMATS)
def test_too_many_pixels_are_refused_before_any_is_decoded(format, monkeypatch):
    data = encoded(shoe((160, 120)), format)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    limits = Limits(max_pixels=160 * 120 - 1, max_pixels_jpeg=160 * 120 - 1)
    error = refusal(data, limits=limits)
    assert (error.code, error.width, error.height) == ("image_too_many_pixels", 160, 120)


def test_a_jpeg_may_have_more_pixels_than_others():
    limits = Limits(max_pixels=160 * 120 - 1)
    assert decode(encoded(shoe(), "JPEG"), limits).width == 160
    assert refusal(encoded(shoe(), "PNG"), limits=limits).code == "image_too_many_pixels"


@pytest.mark.parametrize("side", [10_000, 20_000, 100_000])
def test_our_limit_decides_not_pillows(side):
    webp = b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + (16_382).to_bytes(3, "little") * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refusal(png(side, side)).code == "image_too_many_pixels"
        assert refusal(webp + bytes(50)).width == 16_383


def test_a_very_long_picture_is_refused():
    error = refusal(encoded(Image.new("L", (40_000, 1)), "PNG"))
    assert (error.code, error.width, error.limit) == ("image_side_too_long", 40_000, 32_768)


@pytest.mark.parametrize(
    "data, found",
    [
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"\xef\xbb\xbf <svg/>", "an SVG drawing"),
        (b"<!DOCTYPE html><title>404</title>", "a web page or XML"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04 zip", "a ZIP archive or office document"),
        (b"BMW is a car, not a bitmap", "text"),
        (b"GIF8", "text"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "a video or an unknown container"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
        (bytes(64), "text"),
        (b"\xff" * 64, "an unknown format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "text"),
    ],
)
def test_other_formats_are_refused_by_name(data, found):
    error = refusal(data)
    assert (error.code, error.found) == ("image_unsupported", found)
    assert "HEIC" in error.detail


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"MPO"}))
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_truncated_picture_is_refused(format, share):
    data = encoded(shoe(), format)
    assert refusal(data[: int(len(data) * share)]).code == "image_broken"
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def mutants(data, chance, number):
    """Copies of a file with flipped bits, overwritten numbers, holes, repeats and lost ends."""
    for _ in range(number):
        mutant = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            # Half of the damage goes into the header, where the parsers are.
            at = chance.randrange(min(len(mutant), chance.choice([64, len(data)])))
            match chance.randrange(5):
                case 0:
                    mutant[at] ^= 1 << chance.randrange(8)
                case 1:
                    extreme = chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFF])
                    mutant[at : at + 4] = struct.pack(chance.choice("<>") + "I", extreme)
                case 2:
                    del mutant[at : at + chance.randint(1, 16)]
                case 3:
                    mutant[at:at] = mutant[at : at + 32]
                case 4:
                    del mutant[max(at, 16) :]
            if not mutant:
                break
        yield bytes(mutant)


@pytest.mark.parametrize("format", FORMATS)
def test_only_pictures_and_refusals_come_out_of_damaged_files(format):
    chance = random.Random(f"mutants of {format}")
    options = {} if format in ("GIF", "BMP") else {"exif": exif(6)}
    image = shoe((48, 36))
    sources = [encoded(image, format, **options)]
    sources += {
        "JPEG": lambda: [encoded(image.convert("CMYK")), encoded(image, progressive=True)],
        "PNG": lambda: [
            encoded(image.quantize(8), "PNG"),
            encoded(image.convert("L").convert("I;16"), "PNG"),
        ],
        "WEBP": lambda: [encoded(image.convert("RGBA"), "WEBP", lossless=True)],
        "TIFF": lambda: [
            encoded(image, "TIFF", compression=c) for c in ("jpeg", "tiff_lzw", "tiff_deflate")
        ],
        "BMP": lambda: [encoded(image.quantize(8), "BMP")],
    }.get(format, list)()
    for source in sources:
        for mutant in mutants(source, chance, 36 // len(sources)):
            try:
                assert isinstance(decode(mutant, at_least=12), Picture)
            except CurationError as error:
                assert error.detail


def test_a_gif_whose_frame_is_larger_than_its_screen_counts_as_that_large():
    data = bytearray(encoded(Image.new("P", (8, 8)), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 9000, 5000)
    assert refusal(bytes(data)).code == "image_too_many_pixels"
    data[frame + 5 : frame + 9] = struct.pack("<HH", 65535, 65535)
    assert isinstance(refusal(bytes(data)), CurationError)


def test_a_png_of_one_pixel_with_a_huge_payload_is_decoded_as_one_pixel():
    huge = zlib.compress(bytes(50_000_000))
    data = png(1, 1).replace(png_chunk(b"IDAT", zlib.compress(b"")), png_chunk(b"IDAT", huge))
    assert decode(data).image.size == (1, 1)


def test_a_png_with_an_inflating_text_is_refused():
    text = png_chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(50_000_000)))
    assert refusal(png(1, 1, text, pixels=b"\0\0")).code == "image_broken"


def screen(comments):
    return b"GIF89a\1\0\1\0\0\0\0!\xfe" + comments + b"\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def jpeg_with(part, times):
    data = encoded(shoe())
    return data[:2] + part * times + data[2:]


def scans(times):
    data = encoded(shoe(), progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * times + data[-2:]


TILE = zlib.compress(bytes(10))
GREY = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
OFFSETS = [(256, 4, 1, 1), (257, 4, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]

TRAPS = {
    "a JPEG of many scans": scans(MAX_JPEG_SCANS),
    "a JPEG of many segments": jpeg_with(b"\xff\xe3\0\2", MAX_JPEG_SEGMENTS),
    "a JPEG of junk between segments": encoded(shoe()).replace(
        b"\xff\xdb", bytes(500_000) + b"\xff\xdb"
    ),
    "a GIF of many comments": screen(b"\1a" * 300_000),
    "a PNG of many chunks": png(1, 1, png_chunk(b"quIt") * 210_000, pixels=b"\0\0"),
    "a PNG of many data chunks": png(1, 1, png_chunk(b"IDAT") * 210_000, pixels=b"\0\0"),
    "a TIFF of huge tiles": tiff(
        [*GREY, (322, 4, 1, 40_000), (323, 4, 1, 40_000), (324, 4, 1, 150), (325, 4, 1, 50)], TILE
    ),
    "a TIFF of many strips": tiff(
        [*OFFSETS, (273, 4, 400_000, 122), (278, 3, 1, 1), (279, 4, 1, 1)], bytes(1_600_000)
    ),
    "a TIFF without an end": tiff([(256, 4, 1, 1)] * 9)[:60],
    "a TIFF that is its own next directory": b"II*\0" + struct.pack("<IHI", 8, 0, 8),
}


@pytest.mark.parametrize("name", TRAPS)
def test_files_that_would_cost_much_are_refused_quickly(name):
    begun = time.process_time()
    assert refusal(TRAPS[name]).code == "image_broken"
    assert time.process_time() - begun < 5


def test_valid_files_of_many_pieces_pass():
    assert decode(scans(5)).width == 160
    assert decode(jpeg_with(b"\xff\xe3\0\2", 400)).width == 160
    assert decode(screen(b"\xffa" + bytes([97] * 254)) + b"").width == 1
    assert decode(encoded(shoe(), "TIFF", compression="tiff_deflate")).width == 160


@pytest.mark.parametrize("compression", ["lzma", "zstd"])
def test_a_tiff_of_a_rare_compression_is_not_read(compression):
    error = refusal(encoded(shoe(), "TIFF", compression=compression))
    assert (error.code, error.found[:22]) == ("image_unsupported", "a TIFF compressed by m")


def test_only_the_first_directory_of_a_tiff_is_read():
    data = encoded(shoe((16, 12)), "TIFF", save_all=True, append_images=[shoe((16, 12))] * 200)
    assert decode(data).image.size == (16, 12)


def test_a_tiff_does_not_read_its_side_directories(monkeypatch):
    monkeypatch.setattr(Image.Exif, "get_ifd", None)
    assert decode(encoded(shoe(), "TIFF", exif=exif(3))).width == 160


def test_a_heic_whose_pixels_exceed_its_header_is_refused():
    data = bytearray(encoded(shoe((640, 480)), "HEIF"))
    at = -1
    while (at := data.find(b"ispe", at + 1)) >= 0:
        data[at + 8 : at + 16] = struct.pack(">II", 16, 16)
    assert isinstance(refusal(bytes(data)), CurationError)


def test_a_jpeg_whose_thumbnail_holds_markers_is_read_to_its_own_end():
    thumbnail = encoded(shoe((16, 12)))
    block = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    data = encoded(shoe())
    assert decode(data[:2] + block + data[2:]).image.size == (160, 120)
