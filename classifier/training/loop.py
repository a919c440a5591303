"""The training loop, with a checkpoint after each epoch.

A run that is killed at any moment and resumed ends with the same weights, bit for bit, as one that
was not disturbed (same machine, same number of threads): batches and random numbers depend on
(seed, epoch) alone; the learning rate depends on the epoch's number; gradients of an earlier phase
are dropped; weights, batch-norm statistics and the optimiser's state are restored exactly.
"""

import json
import math
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
from fastai.callback import schedule  # noqa: F401 - gives Learner its fit_one_cycle
from fastai.callback.core import Callback, CancelFitException
from fastai.learner import Learner
from safetensors.torch import load_file, save_file

from classifier.errors import CheckpointMismatch, TrainingDiverged, TrainingStopped
from classifier.jobs.checkpoints import FORMAT, STATE, Checkpoints, verify
from classifier.recipes import Phase, Recipe
from classifier.training import mixed_precision
from classifier.training.data_loaders import seed_everything, seed_of
from classifier.training.linear_probe import fit_head
from shoeproject.storage.files import sha256_of

WEIGHTS, OPTIMISER = "weights.safetensors", "optimiser.safetensors"


@dataclass(frozen=True)
class EpochResult:
    """Metrics of one epoch. Losses are means over pictures; `accuracy`: 0 to 1, on the valid split;
    `lr`: the head's at the epoch's end; `number` counts from 0."""

    number: int
    phase: str  # "frozen" or "unfrozen"
    images: int
    train_loss: float
    valid_loss: float
    accuracy: float
    seconds: float
    lr: float


OnProgress = Callable[[int, int, int, float], None]


def _ignore(*args) -> None:
    pass


def train(
    learner: Learner,
    recipe: Recipe,
    seed: int,
    checkpoints: Checkpoints,
    on_progress: OnProgress = _ignore,
    on_epoch: Callable[[EpochResult], None] = _ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[EpochResult]:
    """Train a freshly built learner to the end of its recipe, from its latest checkpoint on.

    `on_progress(epoch, batch, batches, loss)`: about once a second. `on_epoch`: after an epoch's
    checkpoint is saved; on resuming, first for every epoch of the checkpoint again (the process may
    have been killed between checkpoint and call), so calls may repeat. `should_stop` is called
    before every batch. What the three raise passes through. Returns one result per epoch; sets
    `learner.training_precision`.
    Raises TrainingStopped, TrainingDiverged, CheckpointMismatch, BrokenCheckpoint.
    """
    torch.set_num_threads(recipe.threads)
    learner.logger = _ignore
    inputs = {"recipe": recipe.as_json(), "seed": seed, "items": learner.items_digest}
    precision = mixed_precision.choose(recipe.precision, learner.dls.device)
    history, folder = [], checkpoints.latest()
    if folder is not None:
        history, precision = _restore_weights(learner, folder, inputs)
        for result in history:
            on_epoch(result)
    inputs["precision"] = learner.training_precision = precision
    if folder is None and recipe.head_start == "probe":
        fit_head(learner, recipe, seed, partial(_stop_if, should_stop, history))
    autocast = mixed_precision.PrecisionAndLayout(precision, recipe.layout)

    def finish_epoch(result: EpochResult) -> None:
        history.append(result)
        _save(learner, inputs, history, checkpoints)
        on_epoch(result)

    monitor = _EpochMonitor(seed, history, on_progress, should_stop, finish_epoch)
    for phase in recipe.phases:
        if len(history) < phase.end:
            _run_phase(learner, phase, len(history), folder, monitor, autocast)
    return history


def _stop_if(should_stop: Callable[[], bool], history: list) -> None:
    if should_stop():
        raise TrainingStopped(len(history))


def _run_phase(
    learner: Learner,
    phase: Phase,
    done: int,
    folder: Path | None,
    monitor: "_EpochMonitor",
    autocast: mixed_precision.PrecisionAndLayout,
) -> None:
    """Train a phase from epoch `done` on; `folder`: the checkpoint it is resumed from."""
    learner.dls = learner.loaders[phase.view]
    # Both reset the optimiser's averages, as every fine_tune of fastai does.
    learner.freeze() if phase.frozen else learner.unfreeze()
    # fastai only zeroes gradients, and a zero gradient still decays a frozen weight. A resumed
    # process has no gradients: without them both are alike, and frozen layers really frozen.
    for parameter in learner.model.parameters():
        parameter.grad = None
    if done > phase.start:
        _restore_optimiser(learner, folder)
    monitor.phase = phase
    low, high = phase.lr_low, phase.lr_high
    learner.fit_one_cycle(
        phase.epochs,
        slice(high) if low is None else slice(low, high),
        pct_start=phase.pct_start,
        div=phase.div,
        start_epoch=done - phase.start,
        cbs=[monitor, autocast],
    )
    if monitor.failure is not None:
        raise monitor.failure


class _EpochMonitor(Callback):
    """Seeds every epoch, sums up losses, reports progress, and stops the training when asked to.

    order: after fastai's SkipToEpoch (70), whose skipped epochs never get here, although fastai
    calls `after_epoch` for them. Errors are kept and raised after the fit: fastai changes the
    arguments of those that pass through a callback.
    """

    order = 80

    def __init__(
        self,
        seed: int,
        history: list[EpochResult],
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
        finish_epoch: Callable[[EpochResult], None],
    ):
        super().__init__()
        self.seed, self.history, self.finish_epoch = seed, history, finish_epoch
        self.on_progress, self.should_stop = on_progress, should_stop
        self.in_epoch, self.failure, self.last_report = False, None, -math.inf

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failure = error
            raise CancelFitException() from error

    def before_epoch(self) -> None:
        self.in_epoch, self.number = True, self.phase.start + self.epoch
        self.started = time.monotonic()
        self.images, self.tested, self.right = 0, 0, 0
        self.train_sum, self.valid_sum = 0.0, 0.0
        number = seed_of(self.seed, f"epoch:{self.number}")
        seed_everything(number)
        for loader in self.dls:
            loader.rng = random.Random(number)
        self.dls.train.epoch = self.number

    def before_batch(self) -> None:
        self._guard(partial(_stop_if, self.should_stop, self.history))

    def after_batch(self) -> None:
        count = len(self.yb[0])
        if self.training:
            self.images += count
            self.train_sum += self.learn.loss.item() * count
            self._guard(self._report)
        else:
            self.tested += count
            self.valid_sum += self.learn.loss.item() * count
            self.right += (self.pred.argmax(1) == self.yb[0]).sum().item()

    def _report(self) -> None:
        if not math.isfinite(self.train_sum):
            raise TrainingDiverged(self.number, self.phase.lr_high)
        if time.monotonic() - self.last_report >= 1:
            self.last_report = time.monotonic()
            loss = self.train_sum / self.images
            self.on_progress(self.number, self.iter + 1, self.n_iter, loss)

    def after_epoch(self) -> None:
        if self.in_epoch:
            self.in_epoch = False
            self._guard(self._finish)

    def _finish(self) -> None:
        if not math.isfinite(self.valid_sum):
            raise TrainingDiverged(self.number, self.phase.lr_high)
        self.finish_epoch(
            EpochResult(
                number=self.number,
                phase="frozen" if self.phase.frozen else "unfrozen",
                images=self.images,
                train_loss=self.train_sum / self.images,
                valid_loss=self.valid_sum / self.tested,
                accuracy=self.right / self.tested,
                seconds=time.monotonic() - self.started,
                lr=float(self.opt.hypers[-1]["lr"]),
            )
        )


def _save(learner: Learner, inputs: dict, history: list, checkpoints: Checkpoints) -> None:
    """Write a checkpoint folder, `state.json` last, and save it."""
    tensors, scalars = {}, []
    for index, (_, _, state, _) in enumerate(learner.opt.all_params()):
        numbers = {key: value for key, value in state.items() if not torch.is_tensor(value)}
        scalars.append(numbers)
        for key in state.keys() - numbers.keys():
            tensors[f"{index}.{key}"] = state[key].cpu().contiguous()
    weights = {k: t.cpu().contiguous() for k, t in learner.model.state_dict().items()}
    with tempfile.TemporaryDirectory(prefix="checkpoint-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / "state"
        folder.mkdir()
        save_file(weights, folder / WEIGHTS)
        save_file(tensors, folder / OPTIMISER)
        state = {
            "format": FORMAT,
            "epochs": len(history),
            **inputs,
            "hypers": [dict(hypers) for hypers in learner.opt.hypers],
            "scalars": scalars,
            "history": [asdict(result) for result in history],
            "files": {name: sha256_of(folder / name) for name in (WEIGHTS, OPTIMISER)},
        }
        (folder / STATE).write_text(json.dumps(state, default=float))
        checkpoints.save(len(history), folder)


def _restore_weights(learner: Learner, folder: Path, inputs: dict) -> tuple[list[EpochResult], str]:
    """Load the weights; returns the epochs so far and their precision, which a resumed run keeps.

    Raises CheckpointMismatch where the checkpoint was made from other inputs.
    """
    state = verify(folder)
    for what, value in inputs.items():
        if state[what] != value:
            raise CheckpointMismatch(what)
    learner.model.load_state_dict(load_file(folder / WEIGHTS))
    return [EpochResult(**result) for result in state["history"]], state["precision"]


def _restore_optimiser(learner: Learner, folder: Path) -> None:
    state, tensors = verify(folder), load_file(folder / OPTIMISER)
    rows = list(learner.opt.all_params())
    for (parameter, *_), numbers in zip(rows, state["scalars"], strict=True):
        learner.opt.state[parameter] = dict(numbers)
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        parameter = rows[int(index)][0]
        learner.opt.state[parameter][key] = tensor.to(parameter.device)
    for hypers, kept in zip(learner.opt.hypers, state["hypers"], strict=True):
        hypers.update(kept)
