"""Features of pictures, as an assessment computes and stores them. Pure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from classifier.assess import quality
from classifier.assess.feature_arrays import FeatureArrays
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
