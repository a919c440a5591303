"""Export a trained network as a version: the served ONNX graph, weights for training, the card.

It is written into a sibling folder, loaded as serving loads it, then renamed: a version is complete
or not there.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import onnx
import torch
from google.protobuf.message import Message
from safetensors.torch import save_file
from torch import nn

from classifier.errors import ExportMismatch, TooFewPictures, VersionExists
from classifier.evaluation.calibration import fit_temperature, fit_thresholds, nll
from classifier.inference.card import (
    FORMAT,
    GRAPH,
    HEAD,
    WEIGHTS,
    file_facts,
    reference_array,
    write_card,
)
from classifier.inference.model import Model
from classifier.inference.onnx_session import OUTPUTS, open_session
from classifier.inference.preprocess import Preprocess
from classifier.inference.thresholds import ClassInfo, softmax
from classifier.recipes import Recipe
from classifier.training.data_loaders import STREET, Item
from classifier.training.quantisation import ServedGraph, batches, choose, quiet
from classifier.training.start_weights import public_state
from shoeproject.storage.files import written_beside

OPSET = 20
EXPORT_TOLERANCE = 1e-4  # torch against ONNX, relative to the largest value where that is above 1
FP32_REFERENCE_TOLERANCE = 0.01  # other processors add in another order
CALIBRATION_PICTURES = 200
NOTES = ("doc_string", "metadata_props")  # of ONNX messages, whichever have them


class Served(nn.Module):
    """A learner's (body, head) as the served graph; `head`: the recipe's "linear" or "fastai"."""

    def __init__(self, model: nn.Module, head: str):
        super().__init__()
        self.body, self.head, self.linear = model[0], model[1], head == "linear"

    def forward(self, image):
        """Normalised (n, 3, size, size) → logits (n, classes), embedding (n, channels), features
        (n, channels, height, width)."""
        features = self.body(image)
        embedding = features.mean((2, 3))
        # The linear head pools too; this way the graph does it once.
        logits = self.head[-1](embedding) if self.linear else self.head(features)
        return logits, embedding, features


def export_version(
    model: nn.Module,
    classes: Sequence[ClassInfo],
    recipe: Recipe,
    preprocess: Preprocess,
    items: Sequence[Item],
    training: dict,
    out: Path,
    name: str = "",
    min_agreement: float = 0.99,
) -> dict:
    """Write a version folder; returns its card.

    `model`: a learner's `model` (moved to the CPU), its outputs in the order of `classes`. Of
    `items` the valid ones choose the precision and fit temperature and thresholds, on the logits of
    the graph that will be served; some train ones calibrate int8. int8 is served if its first
    answer is fp32's for the share `min_agreement` of the valid pictures. `training`: the card's
    entry of that name.
    Raises VersionExists, TooFewPictures, ExportMismatch, UnreadablePicture, BrokenVersion.
    """
    out = Path(out)
    if out.exists():
        raise VersionExists(str(out))
    train, valid = _split(items, "train"), _split(items, "valid")
    calibration = [item.path for item in train[:: max(1, len(train) // CALIBRATION_PICTURES)]]
    model = model.cpu().eval()
    with written_beside(out) as folder:
        folder.mkdir()
        with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
            work = Path(scratch)
            fp32, difference = _export_fp32(model, recipe, preprocess, calibration[:4], work)
            paths = [item.path for item in valid]
            served = choose(
                fp32, paths, calibration, preprocess, min_agreement, recipe.threads, work
            )
        served.agreement["onnx_against_torch"] = difference
        _write_files(folder, model, classes, recipe, preprocess, served)
        card = _card(folder, classes, recipe, preprocess, valid, served)
        card |= {"name": name or f"{recipe.arch} {recipe.name}", "training": training}
        write_card(card, folder)
        Model.load(folder)  # as serving will
    return card


def _split(items: Sequence[Item], split: str) -> list[Item]:
    found = [item for item in items if item.split == split]
    if not found:
        raise TooFewPictures(split, 0, 1)
    return found


def _export_fp32(
    model: nn.Module, recipe: Recipe, spec: Preprocess, pictures: Sequence[Path], scratch: Path
) -> tuple[bytes, float]:
    """The float32 graph, and the largest `check_output` on the reference and some pictures. Raises
    ExportMismatch."""
    served = Served(model, recipe.head).eval()
    path = scratch / "fp32.onnx"
    sample = np.concatenate([reference_array(spec), *batches(pictures, spec)])
    export_graph(served, sample, path, OUTPUTS)
    graph = without_notes(path.read_bytes())
    with torch.no_grad():
        expected = [output.numpy() for output in served(torch.from_numpy(sample))]
    actual = open_session(graph).run(OUTPUTS, {"image": sample})
    return graph, max(map(check_output, OUTPUTS, actual, expected))


def export_graph(network: nn.Module, sample: np.ndarray, path: Path, outputs: list[str]) -> None:
    """Write the ONNX graph of a network. `sample`: at least two pictures, for the batch of a single
    one would be exported as a constant."""
    with quiet():
        torch.onnx.export(
            network,
            (torch.from_numpy(sample),),
            path,
            input_names=["image"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def check_output(name: str, actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference between a graph's output and torch's, relative to the largest expected
    value where that is above 1. Raises ExportMismatch."""
    difference = float(np.abs(actual - expected).max()) / max(1.0, float(np.abs(expected).max()))
    if not difference <= EXPORT_TOLERANCE:
        raise ExportMismatch(name, difference, EXPORT_TOLERANCE)
    return difference


def without_notes(graph: bytes) -> bytes:
    """The same graph without notes.

    The exporter notes in each node the lines of code it came from, with their files' paths on the
    exporting machine.
    """
    model = onnx.load_from_string(graph)
    _clear_notes(model)
    return model.SerializeToString()


def _clear_notes(message: Message) -> None:
    """Clear the notes of an ONNX message and of every message in it."""
    for field, value in message.ListFields():
        if field.name in NOTES:
            message.ClearField(field.name)
        elif field.message_type:
            for child in [value] if isinstance(value, Message) else value:
                _clear_notes(child)


def _write_files(folder: Path, model, classes, recipe: Recipe, spec: Preprocess, served) -> None:
    (folder / GRAPH).write_bytes(served.graph)
    about = {
        "arch": recipe.arch,
        "head": recipe.head,
        "classes": [info.slug for info in classes],
        "mean": spec.mean,
        "std": spec.std,
    }
    state = public_state(model, recipe.arch, recipe.head)
    # One key: safetensors writes several in an order that changes from process to process, and
    # the same weights should give the same file.
    metadata = {"version": json.dumps(about, sort_keys=True)}
    save_file({k: _to_half(t) for k, t in state.items()}, folder / WEIGHTS, metadata)
    if recipe.head == "linear":
        head = np.column_stack([state["fc.weight"].numpy(), state["fc.bias"].numpy()])
        np.save(folder / HEAD, head.astype(np.float32), allow_pickle=False)


def _to_half(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if half.isfinite().all() else tensor  # a variance may exceed float16's range


def _card(folder: Path, classes, recipe: Recipe, spec: Preprocess, valid, served) -> dict:
    slugs = [info.slug for info in classes]
    targets = np.array([slugs.index(item.label) for item in valid])
    temperature = fit_temperature(served.logits, targets)
    probabilities = softmax(served.logits, temperature)
    logits, tolerance = _reference(served, spec)
    return {
        "format": FORMAT,
        "name": "",
        "arch": recipe.arch,
        "head": recipe.head,
        "classes": [asdict(info) for info in classes],
        "preprocess": spec.as_json(),
        "temperature": temperature,
        "thresholds": asdict(
            fit_thresholds(
                probabilities,
                targets,
                classes,
                guarded=np.array([i.scene == STREET for i in valid]),
            )
        ),
        "precision": served.precision,
        "agreement": served.agreement,
        "valid": {
            "n": len(valid),
            "top1": round(float((served.logits.argmax(1) == targets).mean()), 4),
            "nll": round(nll(served.logits, targets, temperature), 4),
        },
        "reference": {"logits": logits, "tolerance": tolerance},
        "files": file_facts(folder),
    }


def _reference(served: ServedGraph, spec: Preprocess) -> tuple[list[float], float]:
    """Logits of the reference picture, and the tolerance for those of other processors."""
    batch = {"image": reference_array(spec)}
    logits = open_session(served.graph).run(OUTPUTS, batch)[0][0]
    tolerance = FP32_REFERENCE_TOLERANCE * max(1.0, float(np.abs(logits).max()))
    if served.precision == "int8":
        # Unoptimised, the graph computes in float between the roundings, as an exact processor
        # would; saturation is off by far more than three times that.
        exact = open_session(served.graph, optimise=False).run(OUTPUTS, batch)[0][0]
        tolerance = max(5 * tolerance, 3 * float(np.abs(logits - exact).max()))
    return [round(float(value), 5) for value in logits], round(tolerance, 5)
