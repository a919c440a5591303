"""Compare two pictures by image registration: align them, then measure how far they differ. Pure.

Tells copies of one photograph (cropped, scaled, mirrored, framed or saved again) from pictures that
merely look alike. The same product in another colour, or from another side, is no copy. A hash of
luma cannot tell: among catalogue pictures most pairs alike in hash and mean colour are different
shoes.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from PIL import Image

from shoeproject.parallel import map_in_threads

SIDE = 32  # pixels, of the images that are compared
# Pairs below it are copies: the mean colour difference over the foreground, relative to the
# standard deviation of its luma. Chosen on photographs with planted copies (`bench/cleaning.py`).
COPY_BELOW = 0.16
# Largest difference, in colour values, of any part of 4×4 pixels of a copy, and of the chroma of
# any part of 2×2: two black shoes, one with a red lining, differ little on average.
LOCAL_DIFFERENCE, CHROMA_DIFFERENCE = 15.0, 20.0
COARSE = 12  # pixels a side, of the images by which a crop is located
# Pairs that differ by more at half the size are not aligned, nor are those that differ by less
# already; Gauss-Newton iterations.
WORTH_ALIGNING, CERTAIN, STEPS = 0.70, 0.04, 8
BLOCK = 1024  # pairs that are compared at a time
_TOLERANCE = 24  # colour values by which one background varies
_FOREGROUND = 20  # contrast to the background, in colour values
_NOISE = 8.0  # colour values that compression alone may change
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


Box = tuple[int, int, int, int]  # left, top, right, bottom
# The whole picture and its content: uint8 (SIDE, SIDE, 3) each.
ComparisonImages = tuple[np.ndarray, np.ndarray]


def content_boxes(pixels: np.ndarray) -> tuple[Box, Box]:
    """(a picture without its frames, the same without its margins), of uint8 (h, w, 3).

    A border is plain if nine tenths of its outermost pixels have one colour. A plain border around
    another plain border is a frame; the innermost one is the margin around the content.
    """
    pixels = pixels.astype(np.int16)
    outer = (0, 0, pixels.shape[1], pixels.shape[0])
    for _ in range(4):
        left, top, right, bottom = outer
        part = pixels[top:bottom, left:right]
        colour, plain = _border(part)
        if not plain or min(part.shape[:2]) < 16:
            break
        foreground = np.abs(part - colour).max(2) > _TOLERANCE
        # A few pixels of noise are no content.
        rows = np.flatnonzero(foreground.sum(1) > max(1, 0.02 * foreground.shape[1]))
        columns = np.flatnonzero(foreground.sum(0) > max(1, 0.02 * foreground.shape[0]))
        if len(rows) < 8 or len(columns) < 8:
            break
        box = tuple(
            map(int, (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1))
        )
        if box == outer:
            break
        # Inside a frame lies another plain border; the blended pixels between are cut off, too.
        inner = tuple(
            side + step * (side != before)
            for side, before, step in zip(box, outer, (1, 1, -1, -1), strict=True)
        )
        within, framed = _border(pixels[inner[1] : inner[3], inner[0] : inner[2]])
        if not framed or np.abs(within - colour).max() <= _TOLERANCE:
            return outer, box
        outer = inner
    return outer, outer


def comparison_images(image: Image.Image) -> ComparisonImages:
    """The two small images by which an RGB picture is compared: the whole without its frames,
    squeezed to a square, and its content in proportion on white."""
    width, height = image.size
    scale = min(1.0, 128 / max(width, height))
    reduced = image.resize(
        (max(16, round(width * scale)), max(16, round(height * scale))), Image.Resampling.BOX
    )
    across, down = width / reduced.width, height / reduced.height
    unframed, content = (
        (left * across, top * down, right * across, bottom * down)
        for left, top, right, bottom in content_boxes(np.asarray(reduced))
    )
    whole = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, unframed, 3.0)
    fit = SIDE / max(content[2] - content[0], content[3] - content[1])
    size = tuple(max(1, round((b - a) * fit)) for a, b in (content[::2], content[1::2]))
    part = image.resize(size, Image.Resampling.BILINEAR, content, 3.0)
    square = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    square.paste(part, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(whole), np.asarray(square)


def differences(
    pairs: np.ndarray,
    wholes: np.ndarray,
    contents: np.ndarray,
    tick: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """The difference of each pair after registration, float32 (m,), to be compared with COPY_BELOW.

    `pairs`: (m, 2) rows of `wholes` and `contents`, which are uint8 (n, SIDE, SIDE, 3). The whole
    pictures are compared, and their contents, each straight and mirrored, and each whole picture
    with crops of the other; the smallest difference counts. `tick(share)`: from 0 to 1.
    """
    blocks = [pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK)]
    # NumPy releases the interpreter lock in its loops, so threads keep the cores busy.
    parts = map_in_threads(
        lambda block: _differences(block, wholes, contents),
        blocks,
        lambda done: tick(done / len(blocks)),
    )
    return np.concatenate([*parts, np.empty(0, np.float32)])


def _border(pixels: np.ndarray) -> tuple[np.ndarray, bool]:
    """(median colour of the outermost pixels, whether nine tenths of them have it)."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0)
    return colour, bool((np.abs(border - colour).max(1) <= _TOLERANCE).mean() >= 0.9)


def _differences(pairs: np.ndarray, wholes: np.ndarray, contents: np.ndarray) -> np.ndarray:
    whole_a, whole_b = (_Images(wholes[rows]) for rows in pairs.T)
    content_a, content_b = (_Images(contents[rows]) for rows in pairs.T)
    smallest = np.full(len(pairs), np.inf, np.float32)
    uncropped = np.zeros(len(pairs), np.int64)
    for moving, fixed, start in (
        (whole_a, whole_b, uncropped),
        (whole_a, whole_b.mirrored(), uncropped),
        (content_a, content_b, uncropped),
        (content_a, content_b.mirrored(), uncropped),
        (whole_a, whole_b, _best_crop(whole_a, whole_b)),
        (whole_b, whole_a, _best_crop(whole_b, whole_a)),
    ):
        smallest = _registered(smallest, moving, fixed, start)
    return smallest


def _registered(
    smallest: np.ndarray, moving: "_Images", fixed: "_Images", start: np.ndarray
) -> np.ndarray:
    """`smallest`, or the difference after registration of `moving` to `fixed` where that is less.

    `start`: (n,) numbers of the candidate crops of `moving` to begin with.
    """
    crops = _CANDIDATE_CROPS[start]
    # At half the size first: most pairs are very different, and that costs a quarter.
    rough = moving.half_size.difference(fixed.half_size, crops)
    worth = np.flatnonzero((rough < WORTH_ALIGNING) & (smallest > CERTAIN))
    if len(worth):
        moving, fixed, crops = moving.select(worth), fixed.select(worth), crops[worth]
        unaligned = moving.difference(fixed, crops)
        aligned = moving.difference(fixed, _align(moving, fixed, crops))
        smallest[worth] = np.minimum.reduce([smallest[worth], unaligned, aligned])
    return smallest


class _Images:
    """A stack of images, float32 (n, side, side, 3), and each pixel's contrast to the background,
    (n, side, side)."""

    def __init__(self, pixels: np.ndarray, contrast: np.ndarray | None = None):
        self.pixels = pixels.astype(np.float32)
        if contrast is None:
            border = np.concatenate(
                [pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1
            )
            background = np.median(border, axis=1)[:, None, None]
            contrast = _channel_max(np.abs(self.pixels - background.astype(np.float32)))
        self.contrast = contrast

    def select(self, rows: np.ndarray) -> "_Images":
        return _Images(self.pixels[rows], self.contrast[rows])

    def mirrored(self) -> "_Images":
        return _Images(self.pixels[:, :, ::-1], self.contrast[:, :, ::-1])

    @cached_property
    def half_size(self) -> "_Images":
        return _Images(_downsampled(self.pixels), _downsampled(self.contrast))

    def difference(self, fixed: "_Images", crops: np.ndarray) -> np.ndarray:
        """The difference of these images' crops to `fixed`, (n,), to be compared with COPY_BELOW.

        `crops`: (n, 4) top, left, height, width as shares of the side. It is relative to how much
        luma varies, because two white shoes, or two black ones, differ little even where they are
        two. At full size the part that differs most counts, too.
        """
        pixels, contrast = self.pixels, self.contrast
        if not (crops == _CANDIDATE_CROPS[0]).all():
            rows, columns = _resampling_matrices(crops, pixels.shape[1])
            planes = np.concatenate([pixels, contrast[..., None]], axis=3).transpose(0, 3, 1, 2)
            planes = rows[:, None] @ planes @ columns[:, None]
            pixels, contrast = planes[:, :3].transpose(0, 2, 3, 1), planes[:, 3]
        foreground = np.maximum(contrast, fixed.contrast) > _FOREGROUND
        weights = foreground / np.maximum(foreground.sum((1, 2)), SIDE)[:, None, None]
        mean = (_channel_max(np.abs(pixels - fixed.pixels)) * weights).sum((1, 2))
        deviation = np.maximum(
            _weighted_deviation(pixels @ _LUMA, weights),
            _weighted_deviation(fixed.pixels @ _LUMA, weights),
        )
        overall = (mean / (deviation + _NOISE)).astype(np.float32)
        if pixels.shape[1] < SIDE:
            return overall
        return np.maximum(overall, _local_difference(pixels - fixed.pixels))


def _local_difference(residuals: np.ndarray) -> np.ndarray:
    """The difference of the small part that differs most, (n,), to be compared with COPY_BELOW.

    `residuals`: differences of colour values (n, SIDE, SIDE, 3). Means over a part are compared, so
    that a slight shift has no effect.
    """
    chroma = residuals - (residuals @ _LUMA)[..., None]
    colour = np.abs(_downsampled(_downsampled(residuals))).max((1, 2, 3)) / LOCAL_DIFFERENCE
    return COPY_BELOW * np.maximum(
        colour, np.abs(_downsampled(chroma)).max((1, 2, 3)) / CHROMA_DIFFERENCE
    )


def _channel_max(stack: np.ndarray) -> np.ndarray:
    """The maximum of three channels; `max` over so short an axis is several times slower."""
    return np.maximum(np.maximum(stack[..., 0], stack[..., 1]), stack[..., 2])


def _downsampled(stack: np.ndarray) -> np.ndarray:
    """(n, h, w, …) → (n, h/2, w/2, …), each the mean of four."""
    rows = stack[:, ::2] + stack[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _weighted_deviation(luma: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n,) standard deviation of luma, weighted."""
    mean = (luma * weights).sum((1, 2))
    variance = (luma**2 * weights).sum((1, 2)) - mean**2 * weights.sum((1, 2))
    return np.sqrt(np.maximum(variance, 0))


def _resampling_matrices(crops: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (n, side, side) that resample the rows, and the columns (transposed), of crops to
    `side`, by linear interpolation between the centres of pixels."""
    samples = np.arange(side, dtype=np.float32)
    centres = (samples + 0.5) / side
    matrices = []
    for start, length in ((crops[:, 0], crops[:, 2]), (crops[:, 1], crops[:, 3])):
        positions = (start[:, None] + centres * length[:, None]) * side - 0.5
        weights = 1 - np.abs(positions.clip(0, side - 1)[:, :, None] - samples)
        matrices.append(np.maximum(weights, 0).astype(np.float32))
    return matrices[0], matrices[1].transpose(0, 2, 1)


# The crops that are tried first, (k, 4): top, left, height, width as shares of the side. The first
# one is the whole image.
_CANDIDATE_CROPS = np.array(
    [
        (0, 0, 1, 1),
        *(
            (top * (1 - size), left * (1 - size), size, size)
            for size in (0.94, 0.88, 0.82)
            for top in (0, 0.5, 1)
            for left in (0, 0.5, 1)
        ),
    ],
    np.float32,
)


def _coarse_matrices(axis: int) -> np.ndarray:
    """(k, COARSE, SIDE / 2) matrices that average the rows (axis 0) or columns of each crop."""
    side = SIDE // 2
    edges = np.arange(side)
    start, length = _CANDIDATE_CROPS[:, axis] * side, _CANDIDATE_CROPS[:, axis + 2] * side
    low = start[:, None] + np.arange(COARSE) / COARSE * length[:, None]
    high = low + length[:, None] / COARSE
    covered = np.minimum(high[..., None], edges + 1) - np.maximum(low[..., None], edges)
    weights = np.maximum(covered, 0)
    return (weights / weights.sum(2, keepdims=True)).astype(np.float32)


_ROWS, _COLUMNS = _coarse_matrices(0), _coarse_matrices(1)


def _best_crop(moving: _Images, fixed: _Images) -> np.ndarray:
    """(n,) numbers of the candidate crops of `moving` that, coarsely, differ least from `fixed`."""
    luma = moving.half_size.pixels @ _LUMA
    target = _ROWS[0] @ (fixed.half_size.pixels @ _LUMA) @ _COLUMNS[0].T
    errors = [
        np.abs(rows @ luma @ columns.T - target).sum((1, 2))
        for rows, columns in zip(_ROWS, _COLUMNS, strict=True)
    ]
    return np.argmin(errors, axis=0)


def _align(moving: _Images, fixed: _Images, crops: np.ndarray) -> np.ndarray:
    """The crops of `moving` that match `fixed` best, (n, 4); `crops` is where the search starts.

    Gauss-Newton on luma over top, left, height and width (Lucas and Kanade 1981, An Iterative Image
    Registration Technique), with the same number of steps for all.
    """
    luma, target = moving.pixels @ _LUMA, fixed.pixels @ _LUMA
    centres = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    crops = crops.copy()
    for _ in range(STEPS):
        rows, columns = _resampling_matrices(crops)
        warped = rows @ luma @ columns
        error = (target - warped).reshape(len(crops), -1)
        # Gradients per pixel, times SIDE over the crop's length, are gradients per share.
        by_row = np.gradient(warped, axis=1) * (SIDE / crops[:, 2])[:, None, None]
        by_column = np.gradient(warped, axis=2) * (SIDE / crops[:, 3])[:, None, None]
        jacobian = np.stack(
            [by_row, by_column, by_row * centres[:, None], by_column * centres], axis=1
        ).reshape(len(crops), 4, -1)
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        # A little damping, so that a picture without structure stays where it is.
        normal += np.eye(4, dtype=np.float32) * (
            0.01 * np.trace(normal, axis1=1, axis2=2)[:, None, None] / 4 + 1
        )
        step = np.linalg.solve(normal, (jacobian @ error[..., None]))[..., 0]
        crops += step.clip(-0.05, 0.05)
        crops[:, :2] = crops[:, :2].clip(-0.1, 0.45)
        crops[:, 2:] = crops[:, 2:].clip(0.55, 1.15)
    return crops
