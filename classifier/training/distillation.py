"""Learning from a teacher: another version's answers become half of what is learnt."""

from collections.abc import Sequence
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
from fastai.callback.core import Callback
from torch import Tensor, nn
from torch.nn import functional

from classifier.errors import WeightsDoNotFit
from classifier.inference.preprocess import Preprocess
from classifier.training.start_weights import bare_network, load_start

TEMPERATURE = 2.0  # softens both sides, so that the unlikely classes are heard too


class Teacher(nn.Module):
    """A version's network with a linear head, frozen: `spec`'s pictures → logits of `classes`."""

    def __init__(self, arch: str, file: Path, classes: Sequence[str], spec: Preprocess):
        """`file`: the version's weights.safetensors. Raises WeightsDoNotFit where a class is none
        of the teacher's, and what `load_start` raises."""
        super().__init__()
        start = load_start(arch, "version", version_file=file)
        if missing := sorted(set(classes) - set(start.classes)):
            raise WeightsDoNotFit(start.described, arch, f"the teacher never learnt {missing[0]}")
        rows = [start.classes.index(slug) for slug in classes]
        self.body = bare_network(arch)
        own = self.body.state_dict()
        self.body.load_state_dict({name: start.state.get(name, own[name]) for name in own})
        self.register_buffer("weight", start.state["fc.weight"][rows])
        self.register_buffer("bias", start.state["fc.bias"][rows])
        # The student's normalisation is undone and the teacher's done, in one step.
        mean, std, own_mean, own_std = (
            torch.tensor(values)[:, None, None]
            for values in (spec.mean, spec.std, start.mean, start.std)
        )
        self.register_buffer("scale", std / own_std)
        self.register_buffer("shift", (mean - own_mean) / own_std)
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, 3, size, size), normalised for the student → logits (n, classes)."""
        embedding = self.body(pictures * self.scale + self.shift)
        return functional.linear(embedding, self.weight, self.bias)


class Distil(Callback):
    """Mixes the divergence from the teacher's answers into the loss: (1 - w) · cross entropy
    + w · T² · KL(teacher ‖ student), both softened by T (Hinton, Vinyals & Dean 2015, Distilling
    the Knowledge in a Neural Network).

    The teacher sees the very pictures, augmented, that the student sees. order: after
    `precision.Compute` (90), whose autocast is over by then.
    """

    order = 95

    def __init__(self, teacher: Teacher, weight: float):
        super().__init__()
        self.teacher, self.weight = teacher, weight

    def before_fit(self) -> None:
        """The teacher goes where the student is."""
        self.teacher.to(self.dls.device, memory_format=torch.channels_last)

    def after_loss(self) -> None:
        """The loss that backward starts from becomes the mixed one; validation's stays."""
        if not self.training:
            return
        (pictures,) = self.xb
        bf16 = self.learn.computed_in == "bf16"
        with torch.no_grad(), torch.autocast(self.dls.device.type, torch.bfloat16, enabled=bf16):
            wanted = self.teacher(pictures)
        soft = functional.kl_div(
            functional.log_softmax(self.pred / TEMPERATURE, dim=1),
            functional.softmax(wanted.float() / TEMPERATURE, dim=1),
            reduction="batchmean",
        )
        mixed = (1 - self.weight) * self.loss_grad + self.weight * TEMPERATURE**2 * soft
        self.learn.loss_grad = mixed
        self.learn.loss = mixed.clone()
