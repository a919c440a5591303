"""Knowledge distillation: a version learns from another version's answers too."""

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

TEMPERATURE = 2.0  # softens both distributions, so that unlikely classes count too


class Teacher(nn.Module):
    """A frozen version with a linear head; maps the student's pictures to logits of `classes`."""

    def __init__(self, arch: str, file: Path, classes: Sequence[str], spec: Preprocess):
        """`file`: the version's weights.safetensors; `spec`: the student's preprocessing. Raises
        WeightsDoNotFit where a class is none of the teacher's, and what `load_start` raises."""
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
        # One step undoes the student's normalisation and applies the teacher's.
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


class Distillation(Callback):
    """Mixes the divergence from the teacher's answers into the loss: (1 - w) · cross entropy
    + w · T² · KL(teacher ‖ student), both softened by T (Hinton, Vinyals & Dean 2015, Distilling
    the Knowledge in a Neural Network).

    The teacher gets the same augmented pictures as the student. order: after
    `mixed_precision.PrecisionAndLayout` (90), whose autocast has ended by then.
    """

    order = 95

    def __init__(self, teacher: Teacher, weight: float):
        super().__init__()
        self.teacher, self.weight = teacher, weight

    def before_fit(self) -> None:
        """Move the teacher to the student's device."""
        self.teacher.to(self.dls.device, memory_format=torch.channels_last)

    def after_loss(self) -> None:
        """Replace the training loss by the mixed one; that of validation stays."""
        if not self.training:
            return
        (pictures,) = self.xb
        bf16 = self.learn.training_precision == "bf16"
        with torch.no_grad(), torch.autocast(self.dls.device.type, torch.bfloat16, enabled=bf16):
            logits = self.teacher(pictures)
        soft = functional.kl_div(
            functional.log_softmax(self.pred / TEMPERATURE, dim=1),
            functional.softmax(logits.float() / TEMPERATURE, dim=1),
            reduction="batchmean",
        )
        mixed = (1 - self.weight) * self.loss_grad + self.weight * TEMPERATURE**2 * soft
        self.learn.loss_grad = mixed
        self.learn.loss = mixed.clone()
