"""A float32 ONNX graph → the graph to serve: int8 where that agrees with it. No torch."""

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from classifier.predict import OUTPUTS, open_session
from classifier.preprocess import Preprocess, open_photo, to_array

BATCH = 16
FEW = 4 * BATCH  # pictures where many would take gigabytes or minutes; whole batches
BLOCK = 3  # convolutions whose sensitivity is measured together


class Variant(NamedTuple):
    """A way to quantise: seven bits of weights or eight; the share of the convolutions that stay in
    float; ranges of activations from all values, or from all but the outermost."""

    name: str
    reduce_range: bool
    in_float: float = 0.0
    percentile: float | None = None


# From the fastest on every processor to the most exact. Seven bits come first: eight can saturate
# without VNNI, and gain nothing in speed. The last is for mobile networks, some of whose layers see
# channels of very different ranges: an EfficientNet-Lite2's int8 then agrees with fp32 on 99 of
# 100 pictures instead of 97.
VARIANTS = (
    Variant("int8_7_bit_weights", True),
    Variant("int8_8_bit_weights", False),
    Variant("int8_8_bit_weights_sensitive_layers_in_float", False, 1 / 3, 99.999),
)


@dataclass(frozen=True)
class Choice:
    """The graph to serve, its logits of the valid pictures, and what was measured on the way."""

    graph: bytes
    logits: np.ndarray
    precision: str
    agreement: dict


def choose(
    fp32: bytes,
    paths: Sequence[Path],
    calibration: Sequence[Path],
    spec: Preprocess,
    min_agreement: float,
    threads: int,
    scratch: Path,
) -> Choice:
    """The first of VARIANTS whose first answer is fp32's for the share `min_agreement` of the
    pictures at `paths`, else fp32. `calibration`: other pictures, which give activations' ranges.
    Raises UnreadablePicture.
    """
    wanted = served_logits(fp32, paths, spec, threads)
    few = calibration[:: max(1, len(calibration) // FEW)][:FEW]
    measured = {"n": len(paths), "min_top1": min_agreement}
    for variant in VARIANTS:
        spared: list[str] = []
        if variant.in_float:
            blocks = _sensitive(fp32, few, spec, paths[:FEW], wanted[:FEW], threads, scratch)
            spared = sum(blocks[: round(len(blocks) * variant.in_float)], [])
        # A histogram keeps all activations, gigabytes of 200 pictures.
        seen = few if variant.percentile else calibration
        graph = _quantise(fp32, seen, spec, scratch, variant, spared=spared)
        logits = served_logits(graph, paths, spec, threads)
        top1 = float((logits.argmax(1) == wanted.argmax(1)).mean())
        difference = float(np.abs(logits - wanted).mean())
        measured[variant.name] = {
            "top1": round(top1, 4),
            "mean_logit_difference": round(difference, 4),
        }
        if top1 >= min_agreement:
            return Choice(graph, logits, "int8", measured)
    return Choice(fp32, wanted, "fp32", measured)


def served_logits(
    graph: bytes, paths: Sequence[Path], spec: Preprocess, threads: int = 1
) -> np.ndarray:
    """Logits (pictures, classes) of stored pictures, as serving computes them."""
    session = open_session(graph, threads)
    return np.concatenate([session.run(OUTPUTS, {"image": b})[0] for b in batches(paths, spec)])


def batches(paths: Sequence[Path], spec: Preprocess) -> Iterator[np.ndarray]:
    """Arrays (up to BATCH, 3, size, size) of stored pictures, as serving prepares them."""
    for i in range(0, len(paths), BATCH):
        yield np.stack([to_array(open_photo(p, spec.size), spec) for p in paths[i : i + BATCH]])


def _sensitive(
    fp32: bytes,
    calibration: Sequence[Path],
    spec: Preprocess,
    paths: Sequence[Path],
    wanted: np.ndarray,
    threads: int,
    scratch: Path,
) -> list[list[str]]:
    """Convolutions in blocks of BLOCK, each with its activations, the most sensitive block first:
    the one that changes the logits of `paths` most when nothing else is quantised.

    `wanted`: fp32's logits of them.
    """
    nodes = onnx.load_from_string(fp32).graph.node
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    ranked = []
    for start in range(0, len(convolutions), BLOCK):
        block = convolutions[start : start + BLOCK]
        outputs = {output for node in block for output in node.output}
        # Without its activation a convolution's range would be that of values nobody sees.
        block += [
            node for node in nodes if node.op_type in ("Clip", "Relu") and {*node.input} & outputs
        ]
        names = [node.name for node in block]
        graph = _quantise(fp32, calibration, spec, scratch, Variant("", False), chosen=names)
        change = np.abs(served_logits(graph, paths, spec, threads) - wanted).mean()
        ranked.append((float(change), names))
    return [names for _, names in sorted(ranked, reverse=True)]


def _quantise(
    fp32: bytes,
    calibration: Sequence[Path],
    spec: Preprocess,
    scratch: Path,
    variant: Variant,
    spared: Sequence[str] = (),
    chosen: Sequence[str] = (),
) -> bytes:
    """The int8 graph. `spared`: nodes left in float, beside the head; `chosen`: quantise no others,
    if there are any."""
    target, graph = scratch / "int8.onnx", onnx.load_from_string(fp32)
    # The head costs next to nothing, and in float it halves the pictures whose answer changes.
    head = [node.name for node in graph.graph.node if node.op_type in ("Gemm", "MatMul")]
    ranges = {}
    if variant.percentile:
        ranges["calibrate_method"] = CalibrationMethod.Percentile
        ranges["extra_options"] = {"CalibPercentile": variant.percentile}
        # Histograms are of batches that are all alike.
        calibration = calibration[: max(1, len(calibration) // BATCH) * BATCH]
    with quiet(), contextlib.redirect_stdout(io.StringIO()):  # the histograms print
        quantize_static(
            graph,
            target,
            _Calibration(calibration, spec),
            **ranges,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=variant.reduce_range,
            activation_type=QuantType.QUInt8,  # signed ones run at fp32's speed on x86
            weight_type=QuantType.QInt8,
            nodes_to_quantize=list(chosen) or None,
            nodes_to_exclude=[*head, *spared],
        )
    return target.read_bytes()


class _Calibration(CalibrationDataReader):
    def __init__(self, paths: Sequence[Path], spec: Preprocess):
        self.batches = batches(paths, spec)

    def get_next(self) -> dict | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences advice of the exporter and the quantiser that nobody can act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
