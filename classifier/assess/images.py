"""The images of an assessment. Pure."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Images:
    """What is known of n images; one entry of every field for each.

    `label`: slugs, empty for none. `group`: views of one thing share it; empty for none. `pixels`:
    width times height as received. `shorter_side`: likewise, in pixels. `order`: a number that
    grows with the time of arrival. `embedding`: float16 or float32 (n, d), maybe mapped from disk.
    `whole`, `content`: uint8 (n, side, side, 3), as `registration.comparison_images` makes them.
    `quality`: float32 (n, measures). `own`: (n, own classes) the probabilities of the network that
    computed the embedding, rows of NaN for images it was trained on; `own_classes`: slugs.
    `stored`: digests of the stored pictures, which are alike where the pixels are.
    """

    sha256: list[str]
    label: list[str]
    group: list[str]
    split: list[str]
    confirmed: np.ndarray
    pixels: np.ndarray
    shorter_side: np.ndarray
    order: np.ndarray
    embedding: np.ndarray
    whole: np.ndarray
    content: np.ndarray
    quality: np.ndarray
    own: np.ndarray | None = None
    own_classes: tuple[str, ...] = ()
    stored: list[str] | None = None

    def __len__(self):
        return len(self.sha256)
