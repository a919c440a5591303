"""Are two pictures copies of one photograph: cut, scaled, mirrored, framed or saved again? Pure.

Two small pictures are laid over each other as well as can be, and what counts is how far the
colours of the thing shown still differ. So the same product in another colour, or from another
side, is no copy, which a hash of luma cannot tell: among catalogue pictures most of those that are
alike in hash and mean colour are different shoes.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from PIL import Image

SIDE = 32  # of the small pictures that are compared
# Mean difference of colours over what is shown, as a share of how much its brightness varies.
# Chosen on photographs with planted copies (`bench/cleaning.py`).
COPY_BELOW = 0.16
# Colour values by which no small part may differ: a part of 4×4 pixels in anything, one of 2×2 in
# tint. Two black shoes, one with a red lining, are alike on the whole. Chosen likewise.
PART_APART, TINT_APART = 15.0, 20.0
COARSE = 12  # side of the pictures that say where in another one a picture may lie
WORTH_ALIGNING, CERTAIN, STEPS = 0.70, 0.04, 8
BLOCK = 1024
_TOLERANCE = 24  # of colour values: what is still the same background
_FOREGROUND = 20
_NOISE = 8.0  # colour values that compression alone may change
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


Box = tuple[int, int, int, int]  # left, top, right, bottom
Small = tuple[np.ndarray, np.ndarray]  # uint8 (SIDE, SIDE, 3) each: the whole, and its content


def boxes(pixels: np.ndarray) -> tuple[Box, Box]:
    """What a picture, uint8 (h, w, 3), shows: without its frames, and without its margins too.

    A border is plain if nine tenths of its outermost pixels have one colour. A plain border around
    another plain border is a frame; the innermost one is the margin of the thing itself.
    """
    pixels = pixels.astype(np.int16)
    left, top, right, bottom = 0, 0, pixels.shape[1], pixels.shape[0]
    for _ in range(4):
        part = pixels[top:bottom, left:right]
        if min(part.shape[:2]) < 16:
            break
        colour, plain = _ring(part)
        if not plain:
            break
        other = np.abs(part - colour).max(2) > _TOLERANCE
        # A few pixels of noise are no content.
        rows = np.flatnonzero(other.sum(1) > max(1, 0.02 * other.shape[1]))
        columns = np.flatnonzero(other.sum(0) > max(1, 0.02 * other.shape[0]))
        if len(rows) < 8 or len(columns) < 8:
            break
        box = (
            left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1,
        )  # fmt: skip
        if box == (left, top, right, bottom):
            break
        # Inside a frame lies another plain border; its blended edge goes with it.
        inner = tuple(
            side + step * (side != before)
            for side, before, step in zip(
                box, (left, top, right, bottom), (1, 1, -1, -1), strict=True
            )
        )
        within, framed = _ring(pixels[inner[1] : inner[3], inner[0] : inner[2]])
        if not framed or np.abs(within - colour).max() <= _TOLERANCE:
            return (left, top, right, bottom), tuple(int(side) for side in box)
        left, top, right, bottom = (int(side) for side in inner)
    return (left, top, right, bottom), (left, top, right, bottom)


def small(image: Image.Image) -> Small:
    """Two small pictures of an RGB one: the whole without its frames,
    squeezed to a square, and its content in proportion on white."""
    width, height = image.size
    scale = min(1.0, 128 / max(width, height))
    reduced = image.resize(
        (max(16, round(width * scale)), max(16, round(height * scale))), Image.Resampling.BOX
    )
    across, down = width / reduced.width, height / reduced.height
    unframed, content = (
        (left * across, top * down, right * across, bottom * down)
        for left, top, right, bottom in boxes(np.asarray(reduced))
    )
    whole = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, unframed, 3.0)
    fit = SIDE / max(content[2] - content[0], content[3] - content[1])
    size = tuple(max(1, round((b - a) * fit)) for a, b in (content[::2], content[1::2]))
    part = image.resize(size, Image.Resampling.BILINEAR, content, 3.0)
    square = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    square.paste(part, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(whole), np.asarray(square)


def differences(pairs, wholes, contents, tick: Callable[[float], None] = lambda share: None):
    """(m,) how far the two of each pair differ once laid over each other, as COPY_BELOW has it.

    `wholes`, `contents`: uint8 (n, SIDE, SIDE, 3). Tried are the whole pictures and their contents,
    straight and mirrored, and each as a part of the other.
    """
    blocks = [pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK)]
    if len(blocks) == 1:
        return _differences(blocks[0], wholes, contents)
    found = []
    # NumPy lets go of the interpreter in its loops, so threads keep the cores busy.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for part in pool.map(lambda block: _differences(block, wholes, contents), blocks):
                found.append(part)
                tick(len(found) / len(blocks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return np.concatenate(found) if found else np.empty(0, np.float32)


def _ring(pixels) -> tuple[np.ndarray, bool]:
    ring = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(ring, axis=0)
    return colour, bool((np.abs(ring - colour).max(1) <= _TOLERANCE).mean() >= 0.9)


def _differences(pairs, wholes, contents) -> np.ndarray:
    first, second = pairs.T
    a, b = (_Pictures(wholes[i]) for i in (first, second))
    c, d = (_Pictures(contents[i]) for i in (first, second))
    found = np.full(len(pairs), np.inf, np.float32)
    everything = np.zeros(len(pairs), np.int64)
    for mine, theirs in ((a, b), (a, b.mirrored()), (c, d), (c, d.mirrored())):
        found = _closer(found, mine, theirs, everything)
    for mine, theirs in ((a, b), (b, a)):
        found = _closer(found, mine, theirs, _best_part(mine, theirs))
    return found


def _closer(found, mine, theirs, specs) -> np.ndarray:
    """The smaller of what was found and what moving and scaling `theirs` over `mine` finds."""
    parts = _SPECS[specs]
    # At half the size first: most pairs are nothing alike, and that costs a quarter.
    rough = mine.halved.against(theirs.halved, parts)
    worth = np.flatnonzero((rough < WORTH_ALIGNING) & (found > CERTAIN))
    if len(worth):
        mine, theirs, parts = mine.take(worth), theirs.take(worth), parts[worth]
        unmoved = mine.against(theirs, parts)
        moved = mine.against(theirs, _align(mine, theirs, parts))
        found[worth] = np.minimum.reduce([found[worth], unmoved, moved])
    return found


class _Pictures:
    """A stack of small pictures, float32 (n, SIDE, SIDE, 3), and how far each of their pixels
    stands out from the background, (n, SIDE, SIDE)."""

    def __init__(self, pixels, contrast=None):
        self.pixels = pixels.astype(np.float32)
        if contrast is None:
            ring = np.concatenate(
                [pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1]], axis=1
            )
            background = np.median(ring, axis=1)[:, None, None]
            contrast = _largest(np.abs(self.pixels - background.astype(np.float32)))
        self.contrast = contrast

    def take(self, rows):
        """Some of them."""
        return _Pictures(self.pixels[rows], self.contrast[rows])

    def mirrored(self):
        """All of them, left for right."""
        return _Pictures(self.pixels[:, :, ::-1], self.contrast[:, :, ::-1])

    @cached_property
    def halved(self):
        """All of them, half as wide and high."""
        pixels, contrast = self.pixels, self.contrast
        return _Pictures(_by_two(pixels), _by_two(contrast))

    def luma(self):
        """(n, side, side)."""
        return self.pixels @ _LUMA

    def against(self, theirs, parts) -> np.ndarray:
        """(n,) the difference as COPY_BELOW has it, `theirs` laid over the parts of `self` that
        `parts` names, (n, 4): top, left, height, width as shares. By how much brightness varies,
        because two white shoes, or two black ones, differ by little even where they are two; and
        by the part that differs most, at full size."""
        pixels, contrast = self.pixels, self.contrast
        if not (parts == _SPECS[0]).all():
            rows, columns = _samplers(parts, pixels.shape[1])
            planes = np.concatenate([pixels, contrast[..., None]], axis=3).transpose(0, 3, 1, 2)
            planes = rows[:, None] @ planes @ columns[:, None]
            pixels, contrast = planes[:, :3].transpose(0, 2, 3, 1), planes[:, 3]
        shown = np.maximum(contrast, theirs.contrast) > _FOREGROUND
        share = shown / np.maximum(shown.sum((1, 2)), SIDE)[:, None, None]
        apart = (_largest(np.abs(pixels - theirs.pixels)) * share).sum((1, 2))
        varies = np.maximum(_spread(pixels @ _LUMA, share), _spread(theirs.luma(), share))
        on_the_whole = (apart / (varies + _NOISE)).astype(np.float32)
        if pixels.shape[1] < SIDE:
            return on_the_whole
        return np.maximum(on_the_whole, _in_part(pixels - theirs.pixels))


def _in_part(apart) -> np.ndarray:
    """(n,) by how much the small part differs that differs most, as COPY_BELOW has it; `apart`:
    differences of colour values (n, SIDE, SIDE, 3), which a slight shift averages out."""
    tint = apart - (apart @ _LUMA)[..., None]
    most = np.abs(_by_two(_by_two(apart))).max((1, 2, 3)) / PART_APART
    return COPY_BELOW * np.maximum(most, np.abs(_by_two(tint)).max((1, 2, 3)) / TINT_APART)


def _largest(stack) -> np.ndarray:
    """The largest of three channels; `max` over so short an axis is several times slower."""
    return np.maximum(np.maximum(stack[..., 0], stack[..., 1]), stack[..., 2])


def _by_two(stack) -> np.ndarray:
    """(n, h, w, …) → (n, h/2, w/2, …), each the mean of four."""
    rows = stack[:, ::2] + stack[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _spread(luma, share) -> np.ndarray:
    """(n,) standard deviation of brightness, weighted by `share`."""
    mean = (luma * share).sum((1, 2))
    return np.sqrt(np.maximum((luma**2 * share).sum((1, 2)) - mean**2 * share.sum((1, 2)), 0))


def _samplers(parts, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (n, side, side) that resample rows, and columns (transposed), of the parts to
    `side`, by linear interpolation between the samples' middles."""
    samples = np.arange(side, dtype=np.float32)
    middles = (samples + 0.5) / side
    made = []
    for start, length in ((parts[:, 0], parts[:, 2]), (parts[:, 1], parts[:, 3])):
        places = (start[:, None] + middles * length[:, None]) * side - 0.5
        weights = 1 - np.abs(places.clip(0, side - 1)[:, :, None] - samples)
        made.append(np.maximum(weights, 0).astype(np.float32))
    return made[0], made[1].transpose(0, 2, 1)


def _specs() -> np.ndarray:
    """The parts that are tried first: (k, 4) top, left, height, width as shares."""
    parts = [(0.0, 0.0, 1.0, 1.0)]
    for size in (0.94, 0.88, 0.82):
        places = (0.0, (1 - size) / 2, 1 - size)
        parts += [(top, left, size, size) for top in places for left in places]
    return np.array(parts, np.float32)


_SPECS = _specs()  # the first one is everything


def _coarse_matrices() -> tuple[np.ndarray, np.ndarray]:
    """(k, COARSE, SIDE / 2) matrices that average each spec's rows, and its columns."""
    side = SIDE // 2
    edges = np.arange(side)
    made = []
    for axis in (0, 1):
        start, length = _SPECS[:, axis] * side, _SPECS[:, axis + 2] * side
        low = start[:, None] + np.arange(COARSE) / COARSE * length[:, None]
        high = low + length[:, None] / COARSE
        covered = np.minimum(high[..., None], edges + 1) - np.maximum(low[..., None], edges)
        weights = np.maximum(covered, 0)
        made.append((weights / weights.sum(2, keepdims=True)).astype(np.float32))
    return made[0], made[1]


_ROWS, _COLUMNS = _coarse_matrices()


def _best_part(mine: _Pictures, theirs: _Pictures) -> np.ndarray:
    """(n,) the spec under which `theirs`, coarsely, looks most like that part of `mine`."""
    luma = mine.halved.luma()
    goal = _ROWS[0] @ theirs.halved.luma() @ _COLUMNS[0].T
    apart = [
        np.abs(rows @ luma @ columns.T - goal).sum((1, 2))
        for rows, columns in zip(_ROWS, _COLUMNS, strict=True)
    ]
    return np.argmin(apart, axis=0)


def _align(mine: _Pictures, theirs: _Pictures, parts) -> np.ndarray:
    """The parts of `mine`, moved and scaled until `theirs` lies over them as well as can be.

    Gauss-Newton on luma over top, left, height and width (Lucas and Kanade 1981, An Iterative Image
    Registration Technique), as many steps for all; `parts` (n, 4) is where it starts.
    """
    own, goal = mine.luma(), theirs.luma()
    along = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    down, right = along[:, None], along[None, :]
    parts = parts.copy()
    for _ in range(STEPS):
        rows, columns = _samplers(parts)
        laid = rows @ own @ columns
        error = (goal - laid).reshape(len(parts), -1)
        # Slopes per sample are slopes per share once multiplied by SIDE over the part's length.
        by_row = np.gradient(laid, axis=1) * (SIDE / parts[:, 2])[:, None, None]
        by_column = np.gradient(laid, axis=2) * (SIDE / parts[:, 3])[:, None, None]
        slopes = np.stack([by_row, by_column, by_row * down, by_column * right], axis=1)
        slopes = slopes.reshape(len(parts), 4, -1)
        normal = slopes @ slopes.transpose(0, 2, 1)
        # A little damping, so that a picture without structure stays where it is.
        normal += np.eye(4, dtype=np.float32) * (
            0.01 * np.trace(normal, axis1=1, axis2=2)[:, None, None] / 4 + 1
        )
        move = np.linalg.solve(normal, (slopes @ error[..., None]))[..., 0]
        parts += move.clip(-0.05, 0.05)
        parts[:, :2] = parts[:, :2].clip(-0.1, 0.45)
        parts[:, 2:] = parts[:, 2:].clip(0.55, 1.15)
    return parts
