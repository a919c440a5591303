"""The card of a version or an embedder, written and checked. Pure.

A folder holds card.json and the files that the card lists.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from classifier.errors import BrokenVersion
from classifier.inference.preprocess import Preprocess
from shoeproject.storage.files import sha256_of

FORMAT = 1
CARD, GRAPH, WEIGHTS, HEAD = "card.json", "model.onnx", "weights.safetensors", "head.npy"


@contextmanager
def unreadable_is_broken() -> Iterator[None]:
    """Turn what reading a damaged card or its files raises into BrokenVersion."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenVersion(f"{type(error).__name__}: {error}") from error


def read_card(folder: Path) -> tuple[dict, str]:
    """The folder's card, and the card's sha256, which names the version; every file is checked.

    Raises BrokenVersion.
    """
    with unreadable_is_broken():
        raw = (folder / CARD).read_bytes()
        card = json.loads(raw)
        if card.get("format") != FORMAT:
            raise BrokenVersion(f"format {card.get('format')!r} is not known, {FORMAT} is")
        if GRAPH not in card["files"]:
            raise BrokenVersion(f"its card does not list {GRAPH}")
        for name, facts in card["files"].items():
            if Path(name).name != name:
                raise BrokenVersion(f"its card lists {name!r}, which is outside its folder")
            if sha256_of(folder / name) != facts["sha256"]:
                raise BrokenVersion(f"{name} has another sha256 than its card says")
    return card, hashlib.sha256(raw).hexdigest()


def check_reference(
    card: Mapping, output: str, compute: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Compare what `compute` gives for the reference picture with what the card says.

    `output`: "logits" or "embedding". `compute`: (1, 3, size, size) → (1, …). Raises BrokenVersion.
    """
    with unreadable_is_broken():
        expected = np.array(card["reference"][output], dtype=np.float64)
        tolerance = float(card["reference"]["tolerance"])
        picture = reference_array(Preprocess.from_json(card["preprocess"]))
    try:
        computed = compute(picture)[0]
    except Exception as error:  # ONNX Runtime's errors share no base class but this one
        raise BrokenVersion(f"its graph does not run: {error}") from error
    if computed.shape != expected.shape:
        raise BrokenVersion(f"its {output} have another shape than its card says")
    difference = float(np.abs(computed - expected).max())
    if not difference <= tolerance:  # not: so that NaN fails too
        raise BrokenVersion(
            f"it computes the reference picture differently on this processor: its {output} differ "
            f"by {difference:.3g}"
        )


def reference_array(spec: Preprocess) -> np.ndarray:
    """A drawn picture, ready for `Model.run`, shape (1, 3, size, size).

    Integers only and already at size, so that no decoder's or resampler's version plays a part: two
    ramps and a chequerboard.
    """
    size = spec.size
    y, x = np.mgrid[0:size, 0:size]
    ramp_x, ramp_y = x * 255 // max(1, size - 1), y * 255 // max(1, size - 1)
    board = (x // 8 + y // 8) % 2 * 255
    pixels = np.stack([ramp_x, ramp_y, board]).astype(np.float32) / np.float32(255)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (spec.mean, spec.std))
    return ((pixels - mean) / std)[None]


def file_facts(folder: Path) -> dict[str, dict]:
    """A card's `files`: sha256 and bytes of every file in the folder but the card, by name."""
    return {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.name != CARD
    }


def write_card(card: Mapping, folder: Path) -> None:
    """Write the card into the folder."""
    (folder / CARD).write_text(
        json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
