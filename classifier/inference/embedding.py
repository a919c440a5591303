"""Pictures → features, by a version's graph or by one made of pretrained weights. Pure, ONNX."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from classifier.errors import BrokenVersion
from classifier.inference.classify import (
    CARD,
    FORMAT,
    GRAPH,
    Model,
    open_session,
    reference_array,
    verified_files,
)
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import softmax

EMBEDDER_OUTPUTS = ["embedding"]


@dataclass(frozen=True, eq=False)
class Embedder:
    """What turns pictures into features. Threads may share one.

    `digest` names it (sha256 of its card), `name` is for people. `classes`: slugs of what it can
    tell apart itself, none for pretrained weights; `temperature`: of its logits.
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
        try:
            raw = (folder / CARD).read_bytes()
            card = json.loads(raw)
            if card.get("format") != FORMAT:
                raise BrokenVersion(f"format {card.get('format')!r} is not known, {FORMAT} is")
            verified_files(card["files"], folder)
            found = cls.open(
                (folder / GRAPH).read_bytes(), Preprocess.from_json(card["preprocess"])
            )
            expected = np.array(card["reference"]["embedding"], dtype=np.float64)
            allowed = float(card["reference"]["tolerance"])
            name = str(card["name"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokenVersion(f"{type(error).__name__}: {error}") from error
        try:
            given = found.run(reference_array(found.preprocess))[0]
        except Exception as error:  # ONNX Runtime's errors share no base class but this one
            raise BrokenVersion(f"its graph does not run: {error}") from error
        if given.shape != expected.shape or not np.abs(given - expected).max() <= allowed:
            raise BrokenVersion("it embeds the reference picture differently on this processor")
        return cls(hashlib.sha256(raw).hexdigest(), name, found.preprocess, found.session)

    @classmethod
    def open(cls, graph: bytes, spec: Preprocess) -> "Embedder":
        """A graph as it is, without a card. Raises BrokenVersion."""
        return cls("", "", spec, open_session(graph, outputs=EMBEDDER_OUTPUTS))

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
        outputs = {output.name: output for output in self.session.get_outputs()}
        return int(outputs["embedding"].shape[1])

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Normalised float32 (n, 3, size, size) → float32 (n, channels)."""
        return self.session.run(EMBEDDER_OUTPUTS, {"image": batch})[0]

    def look(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The features as `run` has them, and what the network itself takes the pictures for:
        float32 (n, classes), rows sum to 1; no columns for pretrained weights."""
        if not self.classes:
            return self.run(batch), np.zeros((len(batch), 0), np.float32)
        embedding, logits = self.session.run(["embedding", "logits"], {"image": batch})
        return embedding, softmax(logits, self.temperature).astype(np.float32)
