"""Features of many pictures, as they are stored. Pure.

Apart from `features`, which computes them: the web process reads stored features, and need not load
the libraries that measure pictures.
"""

import io
from dataclasses import dataclass, fields

import numpy as np


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
