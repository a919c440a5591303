"""Bias correction of an int8 graph.

Rounding a channel's weights shifts a convolution's output by the weights' errors times the mean of
its input, which is measured on some pictures. With that shift subtracted from the bias, only errors
remain that average out. (Nagel et al. 2019, Data-Free Quantization through Weight
Equalization and Bias Correction, section 4.2; there the means are derived, here they are measured.)
"""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.inference.onnx_session import OUTPUTS, open_session


def input_means(
    fp32: bytes, batches: Iterable[np.ndarray], threads: int = 1
) -> dict[str, np.ndarray]:
    """Input tensor of each convolution of a float graph → mean of each of its channels (channels,),
    over batches of normalised pictures (n, 3, size, size)."""
    model = onnx.load_from_string(fp32)
    graph = model.graph
    reads = sorted({node.input[0] for node in graph.node if node.op_type == "Conv"})
    names = [f"input_mean_{number}" for number in range(len(reads))]
    # The graph itself averages: the outputs of all layers for a batch would take gigabytes.
    graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3]), "input_mean_axes"))
    for read, name in zip(reads, names, strict=True):
        inputs = [read, "input_mean_axes"]
        graph.node.append(helper.make_node("ReduceMean", inputs, [name], keepdims=0))
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = open_session(model.SerializeToString(), threads, outputs=[*OUTPUTS, *names])
    sums, pictures = [0.0] * len(names), 0
    for batch in batches:
        means = session.run(names, {"image": batch})
        sums = [so_far + len(batch) * mean for so_far, mean in zip(sums, means, strict=True)]
        pictures += len(batch)
    return {read: total / pictures for read, total in zip(reads, sums, strict=True)}


def correct_biases(int8: bytes, fp32: bytes, means: Mapping[str, np.ndarray]) -> bytes:
    """The int8 graph that `onnxruntime.quantization` made of `fp32`, with corrected biases.

    `means`: from `input_means`. Padding is treated as if it had the input's mean. Layers that
    stayed in float, or have no bias, stay as they are.
    """
    fp32_graph = onnx.load_from_string(fp32).graph
    exact = {tensor.name: tensor for tensor in fp32_graph.initializer}
    model = onnx.load_from_string(int8)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in fp32_graph.node:
        if node.op_type != "Conv" or len(node.input) < 3:
            continue
        read, weight, bias = node.input
        if f"{weight}_quantized" not in held or f"{bias}_quantized" not in held:
            continue
        scale = numpy_helper.to_array(held[f"{weight}_scale"]).reshape(-1, 1, 1, 1)
        rounded = numpy_helper.to_array(held[f"{weight}_quantized"]) * scale
        error = (rounded - numpy_helper.to_array(exact[weight])).sum((2, 3))
        shift = (error * _per_output(means[read], error.shape)).sum(1)

        step = numpy_helper.to_array(held[f"{bias}_quantized_scale"])
        steps = numpy_helper.to_array(held[f"{bias}_quantized"]) - np.rint(shift / step)
        moved = numpy_helper.from_array(steps.astype(np.int32), f"{bias}_quantized")
        held[f"{bias}_quantized"].CopyFrom(moved)
    return model.SerializeToString()


def _per_output(means: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """For each output channel the means of the input channels that it reads: those of its group."""
    outputs, width = shape
    groups = len(means) // width
    return means.reshape(groups, width).repeat(outputs // groups, axis=0)
