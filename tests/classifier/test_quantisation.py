"""What int8 does to a network that it does not suit, and what is done against that."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from classifier.inference.onnx_session import OUTPUTS, open_session
from classifier.inference.preprocess import Preprocess
from classifier.training.bias_correction import correct_biases, input_means
from classifier.training.quantisation import Variant, _Quantiser, batches, served_logits

SIZE, CHANNELS = 16, 8
SPEC, EIGHT_BITS = Preprocess(SIZE), Variant("", False)
SOME = np.zeros((1, 3, SIZE, SIZE), np.float32)


def network(wild: int | None = None) -> bytes:
    """A float graph of two stages of three convolutions: one of all channels, one of single
    channels, one of a pixel and without a bias. What the middle one of the stage `wild` reads
    differs ten-thousandfold from channel to channel."""
    draws = np.random.default_rng(0)
    nodes, weights, read, width = [], [], "image", 3

    def convolution(name, shape, reads, gives, **options):
        values = draws.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        if name == f"{wild}.first":
            values *= np.geomspace(0.01, 100, CHANNELS).reshape(-1, 1, 1, 1)
        if name == f"{wild}.middle":
            values /= np.geomspace(0.01, 100, CHANNELS).reshape(-1, 1, 1, 1)
        weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        inputs = [reads, name]
        if not name.endswith("last"):
            bias = draws.normal(size=shape[0]).astype(np.float32)
            weights.append(numpy_helper.from_array(bias, f"{name}_bias"))
            inputs.append(f"{name}_bias")
        nodes.append(helper.make_node("Conv", inputs, [gives], f"{name}_conv", **options))

    for stage in range(2):
        first, middle, last = f"{stage}.first", f"{stage}.middle", f"{stage}.last"
        around = {"pads": [1] * 4}
        convolution(first, (CHANNELS, width, 3, 3), read, f"{first}_out", **around)
        nodes.append(helper.make_node("Relu", [f"{first}_out"], [f"{first}_relu"], f"{first}_relu"))
        options = {**around, "group": CHANNELS}
        convolution(middle, (CHANNELS, 1, 3, 3), f"{first}_relu", f"{middle}_out", **options)
        nodes.append(
            helper.make_node("Relu", [f"{middle}_out"], [f"{middle}_relu"], f"{middle}_relu")
        )
        read, width = ("features", 6) if stage else (f"{last}_out", CHANNELS)
        convolution(last, (width, CHANNELS, 1, 1), f"{middle}_relu", read)

    weights.append(numpy_helper.from_array(np.array([2, 3]), "plane"))
    weights.append(numpy_helper.from_array(draws.normal(size=(6, 5)).astype(np.float32), "linear"))
    nodes += [
        helper.make_node("ReduceMean", ["features", "plane"], ["embedding"], "mean", keepdims=0),
        helper.make_node("Gemm", ["embedding", "linear"], ["logits"], "head"),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in OUTPUTS]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    graph = helper.make_graph(nodes, "small", [image], outputs, weights)
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, ir_version=10, opset_imports=opset).SerializeToString()


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for seed in range(16):
        noise = np.random.default_rng(seed).integers(160, 256, (SIZE, SIZE, 3), np.uint8)
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(noise).save(paths[-1])
    return paths


@pytest.fixture
def seen(pictures):
    return np.concatenate(list(batches(pictures, SPEC)))


@pytest.fixture
def quantiser(tmp_path, pictures):
    return _Quantiser(network(), SPEC, 1, tmp_path, pictures)


@pytest.fixture
def plain(quantiser, monkeypatch):
    """Quantises without correcting."""

    def quantise(*args, **options):
        with monkeypatch.context() as patch:
            patch.setattr(
                "classifier.training.quantisation.correct_biases", lambda int8, fp32, means: int8
            )
            return quantiser.quantise(*args, **options)

    return quantise


def run(graph: bytes, batch, **options):
    return open_session(graph, **options).run(OUTPUTS, {"image": batch})


def tensors(graph: bytes) -> dict[str, np.ndarray]:
    held = onnx.load_from_string(graph).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in held}


def test_input_means_are_those_of_what_each_convolution_reads(seen):
    graph = onnx.load_from_string(network())
    reads = [node.input[0] for node in graph.graph.node if node.op_type == "Conv"]
    inner = [name for name in reads if name != "image"]
    for name in inner:
        graph.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = open_session(graph.SerializeToString(), outputs=[*OUTPUTS, *inner])
    wanted = dict(zip(inner, session.run(inner, {"image": seen}), strict=True)) | {"image": seen}
    # In batches of unlike size, which count by their pictures.
    means = input_means(network(), [seen[:12], seen[12:]])
    assert means.keys() == wanted.keys() and len(means) == 6
    for name, values in wanted.items():
        assert np.allclose(means[name], values.mean((0, 2, 3)), atol=1e-4)


def test_biases_take_what_rounded_weights_do_to_the_mean(plain, pictures):
    int8, fp32 = plain(pictures, EIGHT_BITS), tensors(network())
    means = {name: np.zeros(CHANNELS) for name in input_means(network(), [SOME])}
    means["image"], means["0.first_relu"] = np.array([10, -20, 30]), np.arange(CHANNELS) * 100.0
    before, after = tensors(int8), tensors(correct_biases(int8, network(), means))
    # The first convolution's channels see all of its input's, the middle one's their own alone.
    each = {"0.first": means["image"][None], "0.middle": means["0.first_relu"][:, None]}
    for name, read in each.items():
        rounded = before[f"{name}_quantized"] * before[f"{name}_scale"].reshape(-1, 1, 1, 1)
        shift = ((rounded - fp32[name]).sum((2, 3)) * read).sum(1)
        step = before[f"{name}_bias_quantized_scale"]
        moved = (before[f"{name}_bias_quantized"] - after[f"{name}_bias_quantized"]) * step
        assert np.abs(shift / step).max() > 3
        assert (np.abs(moved - shift) <= 0.51 * step).all()


def test_correction_changes_only_biases_of_int8_layers(quantiser, plain, pictures):
    options = {"variant": EIGHT_BITS, "in_float": ["0.first_conv", "0.first_relu"]}
    before = tensors(plain(pictures, **options))
    after = tensors(quantiser.quantise(pictures, **options))
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    left = {"0.middle_bias_quantized", "1.first_bias_quantized", "1.middle_bias_quantized"}
    assert changed == left


def test_a_layer_left_in_float_between_int8_layers_is_computed_in_float(tmp_path, pictures, seen):
    quantiser = _Quantiser(network(0), SPEC, 1, tmp_path, pictures)
    graph = quantiser.quantise(pictures, EIGHT_BITS, in_float=["0.middle_conv", "0.middle_relu"])
    # Unoptimised, ONNX Runtime computes what the graph says.
    said, done = run(graph, seen, optimise=False)[2], run(graph, seen)[2]
    assert np.abs(done - said).mean() < 0.01 * np.abs(said).mean()


@pytest.mark.parametrize("wild", [0, 1])
def test_the_most_sensitive_block_is_named_first(tmp_path, pictures, wild):
    quantiser = _Quantiser(network(wild), SPEC, 1, tmp_path, pictures)
    blocks = quantiser.most_sensitive(pictures, served_logits(network(wild), pictures, SPEC))
    kinds = ("first_conv", "middle_conv", "last_conv", "first_relu", "middle_relu")
    assert list(map(set, blocks)) == [
        {f"{stage}.{kind}" for kind in kinds} for stage in (wild, 1 - wild)
    ]
