"""Features of pictures, as an assessment computes and stores them. Pure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from classifier.assess import quality
from classifier.inference.embedding import Embedder
from classifier.inference.preprocess import open_photo, to_array
from curation.similarity import registration

# Pixels that the shorter side keeps when a picture is decoded for its quality measures.
MEASURED_SIDE = 128


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one picture; shapes and meaning as in `FeatureArrays`, without n."""

    embedding: np.ndarray
    own: np.ndarray
    whole: np.ndarray
    content: np.ndarray
    quality: Sequence[float]


@dataclass(frozen=True)
class FeatureArrays:
    """Features of n pictures; the fields are the names of the stored arrays.

    `embedding`: float16 (n, d). `own`: float16 (n, classes), the probabilities of the network
    itself; no columns where it has no classes. `whole`, `content`: uint8 (n, side, side, 3), as
    `registration.comparison_images` makes them. `quality`: float32 (n, measures). `seen`: bool
    (n,), False where a picture could not be read; its other features are 0 (quality 1).
    """

    embedding: np.ndarray
    own: np.ndarray
    whole: np.ndarray
    content: np.ndarray
    quality: np.ndarray
    seen: np.ndarray

    def as_bytes(self) -> bytes:
        """A NumPy archive; `from_bytes` reads it back."""
        out = io.BytesIO()
        np.savez(out, **{f.name: getattr(self, f.name) for f in fields(self)})
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "FeatureArrays":
        """Read what `as_bytes` wrote. Raises ValueError, OSError or KeyError for anything else."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


def compute(data: bytes, embedder: Embedder) -> ImageFeatures:
    """The features of one stored picture. Raises UnreadablePicture."""
    image = open_photo(io.BytesIO(data), max(MEASURED_SIDE, embedder.preprocess.size))
    embedding, own = embedder.run_with_probabilities(to_array(image, embedder.preprocess)[None])
    whole, content = registration.comparison_images(image)
    return ImageFeatures(embedding[0], own[0], whole, content, quality.measure(image))


def stack(images: Sequence[ImageFeatures | None], embedder: Embedder) -> FeatureArrays:
    """The features of many pictures, all computed with `embedder`; None stands for a picture that
    could not be read."""
    n, side = len(images), registration.SIDE
    arrays = FeatureArrays(
        embedding=np.zeros((n, embedder.channels), np.float16),
        own=np.zeros((n, len(embedder.classes)), np.float16),
        whole=np.zeros((n, side, side, 3), np.uint8),
        content=np.zeros((n, side, side, 3), np.uint8),
        quality=np.ones((n, len(quality.MEASURES)), np.float32),
        seen=np.array([image is not None for image in images], bool),
    )
    for row, image in enumerate(images):
        if image is not None:
            for field in fields(image):
                getattr(arrays, field.name)[row] = getattr(image, field.name)
    return arrays
