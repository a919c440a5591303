"""Pictures → features, by a version's graph or by one made of pretrained weights. Pure."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from classifier.inference.card import GRAPH, check_reference, read_card, unreadable_is_broken
from classifier.inference.model import Model
from classifier.inference.onnx_session import open_session
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import softmax

EMBEDDER_OUTPUTS = ["embedding"]


@dataclass(frozen=True, eq=False)
class Embedder:
    """A network that turns pictures into features. Threads may share one.

    `digest`: sha256 of its card; `name`: for people. `classes`: slugs of the classes that it was
    trained to tell apart, none for pretrained weights; `temperature`: of its logits.
    """

    digest: str
    name: str
    preprocess: Preprocess
    session: onnxruntime.InferenceSession = field(repr=False)
    classes: tuple[str, ...] = ()
    temperature: float = 1.0

    @classmethod
    def load(cls, folder: Path) -> "Embedder":
        """Read an embedder's folder and check the card, the file's sha256 and the reference
        picture's embedding as this machine computes it. Raises BrokenVersion."""
        card, digest = read_card(folder)
        with unreadable_is_broken():
            name, spec = str(card["name"]), Preprocess.from_json(card["preprocess"])
            session = open_session((folder / GRAPH).read_bytes(), outputs=EMBEDDER_OUTPUTS)
        embedder = cls(digest, name, spec, session)
        check_reference(card, "embedding", embedder.run)
        return embedder

    @classmethod
    def of_model(cls, model: Model) -> "Embedder":
        """A version's own features."""
        return cls(
            model.digest, model.card["name"], model.preprocess, model.session,
            tuple(info.slug for info in model.classes), model.temperature,
        )  # fmt: skip

    @property
    def channels(self) -> int:
        """How many features a picture has."""
        outputs = self.session.get_outputs()
        return next(int(output.shape[1]) for output in outputs if output.name == "embedding")

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Normalised float32 (n, 3, size, size) → float32 (n, channels)."""
        return self.session.run(EMBEDDER_OUTPUTS, {"image": batch})[0]

    def run_with_probabilities(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The features as `run` gives them, and the network's own probabilities: float32
        (n, classes), rows sum to 1; no columns for pretrained weights."""
        if not self.classes:
            return self.run(batch), np.zeros((len(batch), 0), np.float32)
        embedding, logits = self.session.run(["embedding", "logits"], {"image": batch})
        return embedding, softmax(logits, self.temperature).astype(np.float32)
