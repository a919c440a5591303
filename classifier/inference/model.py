"""A model version in memory, checked and ready to compute. Pure."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from classifier.errors import BrokenVersion
from classifier.inference.card import GRAPH, HEAD, check_reference, read_card, unreadable_is_broken
from classifier.inference.onnx_session import CPU, CUDA, OUTPUTS, Providers, open_session
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import ClassInfo, Thresholds

logger = logging.getLogger(__name__)
# Logits (n, classes), embedding (n, channels), features (n, channels, height, width).
Outputs = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A verified version in memory. Threads may share one.

    `digest`: sha256 of card.json, which names the version. `head`: float32 (classes, channels + 1),
    the Linear's weights and in the last column its bias, or None where the head is another: a class
    activation map is then `features` times weights. `batched`: what `run` calls in place of the
    session where several threads' pictures are computed in one batch.
    """

    digest: str
    card: dict
    classes: tuple[ClassInfo, ...]
    preprocess: Preprocess
    temperature: float
    thresholds: Thresholds
    head: np.ndarray | None
    session: onnxruntime.InferenceSession = field(repr=False)
    batched: Callable[[np.ndarray], Outputs] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path, on: Providers = (CPU,)) -> "Model":
        """Read a version's folder: the card, every file's sha256, then the reference picture's
        logits as this machine computes them.

        `on`: see `onnx_session.providers`. Where a GPU cannot compute it, or computes other logits,
        the CPU does, and the log says so. Raises BrokenVersion.
        """
        if tuple(on) == (CPU,):
            return cls._load(folder, on)
        why = "ONNX Runtime can use none here"
        try:
            model = cls._load(folder, on)
        except BrokenVersion as error:
            why, model = error.why, cls._load(folder, (CPU,))  # raises where it is no GPU's fault
        if not model.on_gpu:
            logger.warning("Predictions run on the CPU and not on a GPU: %s", why)
        return model

    @classmethod
    def _load(cls, folder: Path, on: Providers) -> "Model":
        card, digest = read_card(folder)
        with unreadable_is_broken():
            model = cls(
                digest=digest,
                card=card,
                classes=tuple(
                    ClassInfo(row["slug"], row["kind"], row["category"]) for row in card["classes"]
                ),
                preprocess=Preprocess.from_json(card["preprocess"]),
                temperature=float(card["temperature"]),
                thresholds=Thresholds(**card["thresholds"]),
                head=np.load(folder / HEAD, allow_pickle=False) if HEAD in card["files"] else None,
                session=open_session((folder / GRAPH).read_bytes(), on=on),
            )
            if len(card["reference"]["logits"]) != len(model.classes):
                raise BrokenVersion("it does not give one logit per class")
        check_reference(card, "logits", lambda picture: model.run(picture)[0])
        return model

    @property
    def on_gpu(self) -> bool:
        """Whether the network really runs there, not only whether it was asked to."""
        return self.session.get_providers()[0] == CUDA

    def run(self, batch: np.ndarray) -> Outputs:
        """Normalised float32 (n, 3, size, size) → logits (n, classes), embedding (n, channels),
        features (n, channels, height, width), all float32."""
        if self.batched:
            return self.batched(batch)
        return tuple(self.session.run(OUTPUTS, {"image": batch}))
