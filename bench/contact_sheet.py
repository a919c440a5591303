"""Draw contact sheets, by which a person judges findings."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

CELL, LINE, GAP = 120, 13, 10  # pixels


def draw(rows: Sequence[tuple[Sequence[Path], str]], file: Path, columns: int) -> None:
    """Draw each row's photographs side by side over its caption, in cells of a PNG file.

    Captions may have several lines. All cells are as wide as the widest.
    """
    wide = CELL * max((len(paths) for paths, _ in rows), default=1) + GAP
    lines = max((caption.count("\n") + 1 for _, caption in rows), default=1)
    high = CELL + LINE * lines + GAP
    sheet = Image.new("RGB", (columns * wide, -(-len(rows) // columns) * high or 1), "#888888")
    pen = ImageDraw.Draw(sheet)
    for number, (paths, caption) in enumerate(rows):
        left, top = number % columns * wide, number // columns * high
        for place, path in enumerate(paths):
            with Image.open(path) as opened:
                photo = opened.convert("RGB")
            photo.thumbnail((CELL - 2, CELL - 2))
            sheet.paste(photo, (left + place * CELL, top))
        pen.text((left + 2, top + CELL), caption, fill="white")
    sheet.save(file)
