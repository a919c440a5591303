"""Bytes → Prediction, with ONNX Runtime. Knows slugs; no torch, no database, no settings."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from classifier.errors import DEVICES, BrokenVersion, DeviceUnusable
from classifier.inference.preprocess import Preprocess, to_array
from classifier.inference.thresholds import (
    TYPE,
    ClassInfo,
    Thresholds,
    category_sums,
    is_refused,
    softmax,
)
from curation.images import LIMITS, Limits, decode

logger = logging.getLogger(__name__)
FORMAT = 1
CARD, GRAPH, WEIGHTS, HEAD = "card.json", "model.onnx", "weights.safetensors", "head.npy"
OUTPUTS = ["logits", "embedding", "features"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# It rounds weights that the quantiser left in float between int8 layers, and with one scale for all
# channels: what leaving them in float was to avoid.
UNWANTED_OPTIMISERS = ["WeightBiasQuantization"]
# TF32 would round what convolutions multiply to 10 bits; the reference logits are of whole floats.
# By default cuDNN tries every algorithm on each new size of a batch, while requests wait.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


@dataclass(frozen=True)
class Prediction:
    """What a model says about one picture; pairs are (slug, confidence from 0 to 1).

    `top`: up to five types, most likely first, whatever the verdict. `type`: only with verdict
    "type". `category`: with verdict "type" (the type's own) and "category", else None.
    `probabilities`: of every class, the two that are no types among them. `embedding`: float32,
    the pooled features. `features`: float32 (channels, height, width), the same before pooling,
    and `size`: width and height of the upright picture, in proportion; both only when asked for.
    """

    verdict: str  # "type", "category", "unsure", "not_a_shoe"
    top: tuple[tuple[str, float], ...]
    type: tuple[str, float] | None
    category: tuple[str, float] | None
    probabilities: dict[str, float]
    embedding: np.ndarray = field(repr=False, compare=False)
    features: np.ndarray | None = field(default=None, repr=False, compare=False)
    size: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Model:
    """A verified version in memory. Threads may share one.

    `digest`: sha256 of card.json, which names the version. `head`: float32 (classes, channels + 1),
    the Linear's weights and in the last column its bias, or None where the head is another: a class
    map is then `features` times weights. `batched`: what `run` goes through where batches gain.
    """

    digest: str
    card: dict
    classes: tuple[ClassInfo, ...]
    preprocess: Preprocess
    temperature: float
    thresholds: Thresholds
    head: np.ndarray | None
    session: onnxruntime.InferenceSession = field(repr=False)
    batched: Callable[[np.ndarray], tuple[np.ndarray, ...]] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path, on: Sequence = (CPU,)) -> "Model":
        """Read a version's folder: the card, every file's sha256, then the reference picture's
        logits as this machine computes them.

        `on`: see `providers`. Where a GPU cannot compute it, or computes other logits, the CPU
        does, and the log says so. Raises BrokenVersion.
        """
        folder, why = Path(folder), "ONNX Runtime can use none here"
        try:
            model = cls._load(folder, on)
        except BrokenVersion as error:
            if tuple(on) == (CPU,):
                raise
            why, model = error.why, cls._load(folder, (CPU,))  # raises where it is no GPU's fault
        if tuple(on) != (CPU,) and not model.on_gpu:
            logger.warning("Predictions run on the CPU and not on a GPU: %s", why)
        return model

    @classmethod
    def _load(cls, folder: Path, on: Sequence) -> "Model":
        try:
            raw = (folder / CARD).read_bytes()
            model = cls._read(raw, json.loads(raw), folder, on)
            expected = np.array(model.card["reference"]["logits"], dtype=np.float64)
            allowed = float(model.card["reference"]["tolerance"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokenVersion(f"{type(error).__name__}: {error}") from error
        model._check_reference(expected, allowed)
        return model

    @classmethod
    def _read(cls, raw: bytes, card: dict, folder: Path, on: Sequence) -> "Model":
        if card.get("format") != FORMAT:
            raise BrokenVersion(f"format {card.get('format')!r} is not known, {FORMAT} is")
        files = verified_files(card["files"], folder)
        return cls(
            digest=hashlib.sha256(raw).hexdigest(),
            card=card,
            classes=tuple(ClassInfo(c["slug"], c["kind"], c["category"]) for c in card["classes"]),
            preprocess=Preprocess.from_json(card["preprocess"]),
            temperature=float(card["temperature"]),
            thresholds=Thresholds(**card["thresholds"]),
            head=np.load(folder / HEAD, allow_pickle=False) if HEAD in files else None,
            session=open_session((folder / GRAPH).read_bytes(), on=on),
        )

    @property
    def on_gpu(self) -> bool:
        """Whether the network really runs there, not only whether it was asked to."""
        return self.session.get_providers()[0] == CUDA

    def _check_reference(self, expected: np.ndarray, allowed: float) -> None:
        try:
            logits = self.run(reference_array(self.preprocess))[0][0]
        except Exception as error:  # ONNX Runtime's errors share no base class but this one
            raise BrokenVersion(f"its graph does not run: {error}") from error
        if logits.shape != expected.shape or logits.shape != (len(self.classes),):
            raise BrokenVersion("it does not give one logit per class")
        difference = float(np.abs(logits - expected).max())
        if not difference <= allowed:  # not: so that NaN fails too
            raise BrokenVersion(
                f"its logits of the reference picture differ by {difference:.3g} on this processor"
            )

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalised float32 (n, 3, size, size) → logits (n, classes), embedding (n, channels),
        features (n, channels, height, width), all float32."""
        if self.batched:
            return self.batched(batch)
        return tuple(self.session.run(OUTPUTS, {"image": batch}))


def predict(
    data: bytes, model: Model, limits: Limits = LIMITS, features: bool = False
) -> Prediction:
    """What the model says about an encoded picture, with what a class map needs if `features`.

    Raises curation's errors of `decode`.
    """
    picture = decode(data, limits, at_least=model.preprocess.size)
    return predict_picture(picture.image, model, features)


def predict_picture(image: Image.Image, model: Model, features: bool = False) -> Prediction:
    """The same for a picture already decoded (RGB, upright)."""
    logits, embedding, last = model.run(to_array(image, model.preprocess)[None])
    said = judge(softmax(logits[0], model.temperature), embedding[0], model)
    return replace(said, features=last[0], size=image.size) if features else said


def judge(probabilities: np.ndarray, embedding: np.ndarray, model: Model) -> Prediction:
    """Probabilities of one picture (classes,) → verdict.

    not_a_shoe: its class is the likeliest and reaches its threshold. Else type: the likeliest type
    reaches the type threshold. Else category: the likeliest category's sum reaches its threshold.
    Else unsure.
    """
    classes, limits = model.classes, model.thresholds
    shares = probabilities.tolist()
    types = [i for i, info in enumerate(classes) if info.kind == TYPE]
    types.sort(key=lambda i: -shares[i])
    top = tuple((classes[i].slug, shares[i]) for i in types[:5])
    sums, names = category_sums(probabilities[None], classes)
    categories = dict(zip(names, sums[0].tolist(), strict=True))

    verdict, best, category = "unsure", None, None
    if is_refused(probabilities[None], classes, limits.not_a_shoe)[0]:
        verdict = "not_a_shoe"
    elif top and top[0][1] >= limits.type:
        verdict, best, category = "type", top[0], classes[types[0]].category
    elif top and max(categories.values()) >= limits.category:
        verdict, category = "category", max(categories, key=categories.get)
    return Prediction(
        verdict=verdict,
        top=top,
        type=best,
        category=None if category is None else (category, categories[category]),
        probabilities={c.slug: share for c, share in zip(classes, shares, strict=True)},
        embedding=embedding,
    )


def providers(device: str) -> list:
    """ONNX Runtime's execution providers for a device: "cpu", "cuda", or "auto" (a GPU where this
    build of ONNX Runtime knows one). The CPU stands behind the GPU. Not measured on a GPU.

    Raises DeviceUnusable.
    """
    if device not in DEVICES:
        raise DeviceUnusable(device, f"choose one of {', '.join(DEVICES)}")
    known = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not known:
        raise DeviceUnusable(
            device,
            "this ONNX Runtime has no CUDA: uninstall onnxruntime and install "
            "onnxruntime-gpu[cuda,cudnn] in its place, or choose auto or cpu",
        )
    if device == "cpu" or not known:
        return [CPU]
    onnxruntime.preload_dlls()  # CUDA that came as packages lies where no loader looks
    return [(CUDA, CUDA_OPTIONS), CPU]


def open_session(
    graph: bytes,
    threads: int = 1,
    optimise: bool = True,
    outputs=OUTPUTS,
    on: Sequence = (CPU,),
):
    """An ONNX Runtime session. One thread: on a server, processes are the parallelism.

    `on`: see `providers`; where a GPU cannot be used, ONNX Runtime takes the CPU behind it.

    Bytes instead of a path: what is run is what was verified, and a graph that points to other
    files cannot reach them. Raises BrokenVersion.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            graph, options, list(on), disabled_optimizers=UNWANTED_OPTIMISERS
        )
    except Exception as error:  # ONNX Runtime's errors share no base class but this one
        raise BrokenVersion(f"its graph does not open: {error}") from error
    if [o.name for o in session.get_outputs()] != outputs:
        raise BrokenVersion(f"its graph does not give {', '.join(outputs)}")
    return session


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
    mean, std = (np.float32(v)[:, None, None] for v in (spec.mean, spec.std))
    return ((pixels - mean) / std)[None]


def verified_files(files: Mapping[str, Mapping], folder: Path) -> set[str]:
    """The names that a card lists, each file checked against its sha256. Raises BrokenVersion."""
    if GRAPH not in files:
        raise BrokenVersion(f"its card does not list {GRAPH}")
    for name, facts in files.items():
        if Path(name).name != name:
            raise BrokenVersion(f"its card lists {name!r}, which is outside its folder")
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != facts["sha256"]:
            raise BrokenVersion(f"{name} has another sha256 than its card says")
    return set(files)
