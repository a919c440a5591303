"""ONNX Runtime sessions, and the devices that they run on. Pure."""

from collections.abc import Sequence

import onnxruntime

from classifier.errors import DEVICES, BrokenVersion, DeviceUnusable

# Outputs of a version's graph.
OUTPUTS = ["logits", "embedding", "features"]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# It rounds weights that the quantiser left in float between int8 layers, and with one scale for all
# channels: what leaving them in float was to avoid.
UNWANTED_OPTIMISERS = ["WeightBiasQuantization"]
# TF32 would round what convolutions multiply to 10 bits; the reference logits are of whole floats.
# By default cuDNN tries every algorithm on each new size of a batch, while requests wait.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}

# Execution providers in order of preference: a name, or a name with its options.
Providers = Sequence[str | tuple[str, dict[str, str]]]


def providers(device: str) -> Providers:
    """ONNX Runtime's execution providers for a device: "cpu", "cuda", or "auto" (a GPU where this
    build of ONNX Runtime knows one). The CPU is the fallback of the GPU. Not measured on a GPU.

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
    outputs: Sequence[str] = OUTPUTS,
    on: Providers = (CPU,),
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session. One thread: on a server, processes are the parallelism.

    `on`: see `providers`; where a GPU cannot be used, ONNX Runtime takes the CPU.

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
    if [output.name for output in session.get_outputs()] != list(outputs):
        raise BrokenVersion(f"its graph does not give {', '.join(outputs)}")
    return session
