"""Precision and memory layout in which a network computes while it trains."""

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
from fastai.callback.core import Callback

CHANNELS_LAST = "channels-last"
# Processors without one of these compute bf16 in software, slower than fp32.
_NATIVE_BF16 = ("avx512_bf16", "amx_bf16", "bf16")


def choose(precision: str, device: torch.device) -> str:
    """“fp32” or “bf16”: a recipe's `precision` on this device.

    “auto” is bf16 where the hardware computes in it.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if any(capabilities.get(name) for name in _NATIVE_BF16) else "fp32"


class PrecisionAndLayout(Callback):
    """Runs the network's forward pass in the given precision and memory layout.

    fastai's own mixed precision asks for autocast on CUDA by name, so on a CPU it does nothing. The
    loss, the gradients' sums and the optimiser stay in fp32; bf16 has fp32's range, so no loss is
    scaled. order: after the monitor of `train` (80), which may stop the run before a batch.
    """

    order = 90

    def __init__(self, precision: str, layout: str):
        super().__init__()
        self.precision, self.layout = precision, layout
        self.autocast = None

    def before_fit(self):
        """Give the weights the pictures' layout."""
        if self.layout == CHANNELS_LAST:
            self.model.to(memory_format=torch.channels_last)

    def before_batch(self):
        """Give the pictures the network's layout and begin autocast."""
        if self.layout == CHANNELS_LAST:
            (pictures,) = self.xb
            self.learn.xb = (pictures.contiguous(memory_format=torch.channels_last),)
        if self.precision == "bf16":
            self.autocast = torch.autocast(self.dls.device.type, torch.bfloat16)
            self.autocast.__enter__()

    def after_pred(self):
        """End autocast; the logits go on in fp32."""
        self._end()
        self.learn.pred = self.pred.float()

    def after_fit(self):
        """End autocast where a batch was interrupted."""
        self._end()

    def _end(self) -> None:
        if self.autocast is not None:
            self.autocast.__exit__(None, None, None)
            self.autocast = None
