"""Quantise a float32 ONNX graph to int8 where the two agree. No torch."""

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

from classifier.inference.onnx_session import OUTPUTS, open_session
from classifier.inference.preprocess import Preprocess, open_photo, to_array
from classifier.training.bias_correction import correct_biases, input_means

BATCH = 16
FEW = 4 * BATCH  # pictures, where many would take gigabytes or minutes; whole batches
BLOCK = 3  # convolutions whose sensitivity is measured together


class Variant(NamedTuple):
    """A way to quantise. `reduce_range`: seven bits for weights instead of eight; `in_float`: the
    share of the convolutions that stay in float; `percentile`: of the activations' values, from
    which their ranges are taken, None for all."""

    name: str
    reduce_range: bool
    in_float: float = 0.0
    percentile: float | None = None


# From the fastest on every processor to the most exact. Seven bits come first: eight can saturate
# without VNNI, and gain nothing in speed. The last are for mobile networks, some of whose layers
# read channels of very different ranges. With the most sensitive tenth of its convolutions in
# float, an EfficientNet-Lite2's int8 agrees with fp32 on 99 of 100 pictures instead of 98, and its
# logits are half as far off; more than that in float brings little.
VARIANTS = (
    Variant("int8_7_bit_weights", True),
    Variant("int8_8_bit_weights", False),
    Variant("int8_8_bit_weights_with_a_tenth_in_float", False, 1 / 10, 99.99),
    Variant("int8_8_bit_weights_with_a_third_in_float", False, 1 / 3, 99.999),
)


@dataclass(frozen=True)
class ServedGraph:
    """The graph to serve, its logits of the valid pictures, its precision ("int8" or "fp32"), and
    how far the variants that were tried agree with fp32."""

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
) -> ServedGraph:
    """The first of VARIANTS whose first answer is fp32's for the share `min_agreement` of the
    pictures at `paths`, else fp32. `calibration`: other pictures, for the activations' ranges.
    Raises UnreadablePicture.
    """
    fp32_logits = served_logits(fp32, paths, spec, threads)
    few = calibration[:: max(1, len(calibration) // FEW)][:FEW]
    quantiser = _Quantiser(fp32, spec, threads, scratch, few)
    measured = {"n": len(paths), "min_top1": min_agreement}
    blocks: list[list[str]] = []
    for variant in VARIANTS:
        if variant.in_float and not blocks:
            blocks = quantiser.most_sensitive(paths[:FEW], fp32_logits[:FEW])
        in_float = sum(blocks[: round(len(blocks) * variant.in_float)], [])
        # A histogram keeps all activations: gigabytes for 200 pictures.
        pictures = few if variant.percentile else calibration
        graph = quantiser.quantise(pictures, variant, in_float=in_float)
        logits = served_logits(graph, paths, spec, threads)
        top1 = float((logits.argmax(1) == fp32_logits.argmax(1)).mean())
        difference = float(np.abs(logits - fp32_logits).mean())
        measured[variant.name] = {
            "top1": round(top1, 4),
            "mean_logit_difference": round(difference, 4),
        }
        if top1 >= min_agreement:
            return ServedGraph(graph, logits, "int8", measured)
    return ServedGraph(fp32, fp32_logits, "fp32", measured)


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


class _Quantiser:
    """Makes int8 graphs of one float graph. `few`: pictures to measure its convolutions on."""

    def __init__(
        self, fp32: bytes, spec: Preprocess, threads: int, scratch: Path, few: Sequence[Path]
    ):
        self.fp32, self.spec, self.threads, self.few = fp32, spec, threads, few
        self.target = scratch / "int8.onnx"
        self.means = input_means(fp32, batches(few, spec), threads)

    def quantise(
        self,
        calibration: Sequence[Path],
        variant: Variant,
        in_float: Sequence[str] = (),
        only: Sequence[str] = (),
    ) -> bytes:
        """The int8 graph. `in_float`: nodes to leave in float, besides the head; `only`: if not
        empty, the only nodes to quantise."""
        graph = onnx.load_from_string(self.fp32)
        # The head costs next to nothing, and in float it halves the pictures whose answer changes.
        head = [node.name for node in graph.graph.node if node.op_type in ("Gemm", "MatMul")]
        ranges = {}
        if variant.percentile:
            ranges["calibrate_method"] = CalibrationMethod.Percentile
            ranges["extra_options"] = {"CalibPercentile": variant.percentile}
            # Histograms need batches of one size.
            calibration = calibration[: max(1, len(calibration) // BATCH) * BATCH]
        with quiet():
            quantize_static(
                graph,
                self.target,
                _Calibration(calibration, self.spec),
                **ranges,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=variant.reduce_range,
                activation_type=QuantType.QUInt8,  # signed ones run at fp32's speed on x86
                weight_type=QuantType.QInt8,
                nodes_to_quantize=list(only) or None,
                nodes_to_exclude=[*head, *in_float],
            )
        return correct_biases(self.target.read_bytes(), self.fp32, self.means)

    def most_sensitive(self, paths: Sequence[Path], fp32_logits: np.ndarray) -> list[list[str]]:
        """Names of convolutions and their activations in blocks of BLOCK convolutions, the most
        sensitive first: the one that changes the logits of `paths` most when only it is quantised.

        `fp32_logits`: the float graph's logits of `paths`.
        """
        nodes = onnx.load_from_string(self.fp32).graph.node
        convolutions = [node for node in nodes if node.op_type == "Conv"]
        ranked = []
        for start in range(0, len(convolutions), BLOCK):
            block = convolutions[start : start + BLOCK]
            outputs = {output for node in block for output in node.output}
            # Without its activation a convolution's range would include values that this cuts off.
            block += [
                node
                for node in nodes
                if node.op_type in ("Clip", "Relu") and {*node.input} & outputs
            ]
            names = [node.name for node in block]
            graph = self.quantise(self.few, Variant("", False), only=names)
            logits = served_logits(graph, paths, self.spec, self.threads)
            ranked.append((float(np.abs(logits - fp32_logits).mean()), names))
        return [names for _, names in sorted(ranked, reverse=True)]


class _Calibration(CalibrationDataReader):
    def __init__(self, paths: Sequence[Path], spec: Preprocess):
        self.batches = batches(paths, spec)

    def get_next(self) -> dict | None:
        batch = next(self.batches, None)
        return None if batch is None else {"image": batch}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporter and the quantiser print, and warnings that nobody can act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
