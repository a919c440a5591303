"""In which numbers, and in which memory layout, a network computes while it trains."""

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
from fastai.callback.core import Callback

CHANNELS_LAST = "channels-last"
# Processors without one of these compute bf16 in software, slower than fp32.
_NATIVE_BF16 = ("avx512_bf16", "amx_bf16", "bf16")


def choose(wanted: str, device: torch.device) -> str:
    """“fp32” or “bf16”: what a recipe's `precision` means on this device.

    “auto” is bf16 where the hardware computes in it.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    has = torch.cpu.get_capabilities()
    return "bf16" if any(has.get(name) for name in _NATIVE_BF16) else "fp32"


class Compute(Callback):
    """Runs the network's forward pass in the precision and layout given.

    fastai's own mixed precision asks for autocast on CUDA by name, so on a CPU it does nothing. The
    loss, the gradients' sums and the optimiser stay in fp32; bf16 has fp32's range, so nothing is
    scaled. order: after `train`'s watcher (80), which may stop the run before a batch.
    """

    order = 90

    def __init__(self, precision: str, layout: str):
        super().__init__()
        self.precision, self.layout = precision, layout
        self.autocast = None

    def before_fit(self):
        """The weights take the layout of the pictures."""
        if self.layout == CHANNELS_LAST:
            self.model.to(memory_format=torch.channels_last)

    def before_batch(self):
        """Pictures in the network's layout; autocast begins."""
        if self.layout == CHANNELS_LAST:
            (pictures,) = self.xb
            self.learn.xb = (pictures.contiguous(memory_format=torch.channels_last),)
        if self.precision == "bf16":
            self.autocast = torch.autocast(self.dls.device.type, torch.bfloat16)
            self.autocast.__enter__()

    def after_pred(self):
        """Autocast ends; logits go on in fp32."""
        self._leave()
        self.learn.pred = self.pred.float()

    def after_fit(self):
        """A batch that was broken off left autocast on."""
        self._leave()

    def _leave(self) -> None:
        if self.autocast is not None:
            self.autocast.__exit__(None, None, None)
            self.autocast = None
