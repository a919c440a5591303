"""What was seen of many pictures, as arrays. Pure."""

import io
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Sights:
    """What was seen of n pictures. `embedding`: float16 (n, d). `own`: float16 (n, classes), what
    the network itself says; no columns where it says nothing. `whole`, `content`: uint8 (n, side,
    side, 3). `quality`: float32 (n, measures). `seen`: bool (n,), False where a picture could not
    be read and the rest is zeros."""

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
    def from_bytes(cls, data: bytes) -> "Sights":
        """Read what `as_bytes` wrote. Raises ValueError, OSError or KeyError where it is not."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})
