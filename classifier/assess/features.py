"""Looking at a picture: features, two small pictures, quality measures. Pure."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifier.assess import quality
from classifier.assess.sights import Sights
from classifier.inference.embedding import Embedder
from classifier.inference.preprocess import open_photo, to_array
from curation.similarity import registration

# Pixels that the shorter side keeps when a picture is decoded for its measures.
MEASURED_SIDE = 128


@dataclass(frozen=True)
class Sight:
    """What was seen of one picture; the shapes are those of `Sights` without n."""

    embedding: np.ndarray
    own: np.ndarray
    whole: np.ndarray
    content: np.ndarray
    quality: Sequence[float]


def see(data: bytes, embedder: Embedder) -> Sight:
    """Look at one stored picture. Raises UnreadablePicture."""
    image = open_photo(io.BytesIO(data), max(MEASURED_SIDE, embedder.preprocess.size))
    embedding, own = embedder.look(to_array(image, embedder.preprocess)[None])
    whole, content = registration.small(image)
    return Sight(embedding[0], own[0], whole, content, quality.measure(image))


def gather(sights: Sequence[Sight | None], embedder: Embedder) -> Sights:
    """Many as one, all seen through `embedder`; None stands for a picture that could not be
    read."""
    n, side = len(sights), registration.SIDE
    gathered = Sights(
        embedding=np.zeros((n, embedder.channels), np.float16),
        own=np.zeros((n, len(embedder.classes)), np.float16),
        whole=np.zeros((n, side, side, 3), np.uint8),
        content=np.zeros((n, side, side, 3), np.uint8),
        quality=np.ones((n, len(quality.MEASURES)), np.float32),
        seen=np.array([sight is not None for sight in sights], bool),
    )
    for row, sight in enumerate(sights):
        if sight is not None:
            gathered.embedding[row], gathered.own[row] = sight.embedding, sight.own
            gathered.whole[row], gathered.content[row] = sight.whole, sight.content
            gathered.quality[row] = sight.quality
    return gathered
