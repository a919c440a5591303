"""Training, checkpoints, export and prediction with real, small networks on drawn pictures."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from django.conf import settings
from onnx import helper
from safetensors.torch import load_file, save_file

from classifier.errors import (
    BrokenVersion,
    CheckpointMismatch,
    NoPretrainedWeights,
    TooFewPictures,
    TrainingDiverged,
    TrainingStopped,
    UnknownArchitecture,
    UnknownLabel,
    VersionExists,
    WeightsDoNotFit,
)
from classifier.inference.classify import predict, predict_picture
from classifier.inference.model import Model
from classifier.inference.onnx_session import open_session
from classifier.inference.preprocess import Preprocess, open_photo, to_array
from classifier.jobs import decoded_pictures
from classifier.jobs.checkpoints import LocalCheckpoints
from classifier.recipes import View, get_recipe
from classifier.registry import starter
from classifier.training import start_weights
from classifier.training.data_loaders import (
    EpochOrder,
    Item,
    RandomResizedCrop,
    decode_request,
    frequencies,
)
from classifier.training.distillation import Teacher
from classifier.training.export import Served, export_version, without_notes
from classifier.training.learner import build_learner
from classifier.training.loop import train
from classifier.training.start_weights import Start, load_start
from curation.images import UnsupportedFormat
from tests.shape_drawings import CLASSES, SLUGS, draw, write_jpegs

SEED = 7
# Two rounds: frozen layers after unfrozen ones, and places to resume from inside a phase.
RECIPE = get_recipe(
    "quick-look",
    {
        "arch": "resnet18",
        "start": "scratch",
        "size": 32,
        "batch_size": 8,
        "rounds": "1,2",
        "images_per_epoch": 64,
        "lr": 0.01,
        "threads": 1,
        "workers": 1,
    },
)
SCRATCH = Start(None, "random weights")


def build(folder: Path, recipe=RECIPE, start=SCRATCH, classes=SLUGS):
    items = [Item(*row) for row in write_jpegs(folder)]
    return items, build_learner(items, classes, recipe, start, SEED, device="cpu")


def digest_of(model) -> str:
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(name.encode() + tensor.numpy().tobytes())
    return total.hexdigest()


def main(folder: str) -> None:
    """What the killed subprocess runs: a line per batch, at the end the weights' digest."""
    _, learner = build(Path(folder) / "pictures")

    def tell() -> bool:
        monitor = learner._epoch_monitor
        print("batch", monitor.number, int(learner.training), learner.iter, flush=True)
        return False

    store = LocalCheckpoints(Path(folder) / "checkpoints")
    history = train(learner, RECIPE, SEED, store, should_stop=tell)
    print("done", digest_of(learner.model), [result.number for result in history], flush=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Items, trained learner and history of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    items, learner = build(folder / "pictures")
    store = LocalCheckpoints(folder / "checkpoints")
    return items, learner, train(learner, RECIPE, SEED, store)


@pytest.fixture(scope="module")
def version(undisturbed, tmp_path_factory):
    """A version exported from it."""
    items, learner, _ = undisturbed
    out = tmp_path_factory.mktemp("versions") / "first"
    about = {"started_from": "random weights"}
    export_version(learner.model, CLASSES, RECIPE, learner.preprocess, items, about, out, "Shapes")
    return out


@pytest.fixture(scope="module")
def model(version):
    return Model.load(version)


def copy_of(version: Path, tmp_path: Path, **changes) -> Path:
    """A copy of a version whose card has other entries."""
    target = tmp_path / "copy"
    shutil.copytree(version, target)
    card = json.loads((target / "card.json").read_text())
    (target / "card.json").write_text(json.dumps(card | changes))
    return target


# Training


def test_it_learns(undisturbed):
    _, _, history = undisturbed
    assert [result.number for result in history] == list(range(RECIPE.epochs))
    assert [result.phase for result in history] == [
        "frozen",
        "unfrozen",
        "frozen",
        "unfrozen",
        "unfrozen",
    ]
    assert history[-1].accuracy >= 0.9
    assert history[-1].train_loss < history[0].train_loss
    assert all(result.images == 64 and result.seconds > 0 for result in history)


def run_until(folder: Path, line: str | None) -> str:
    """Run `main` in a process; kill it as soon as it says `line`. The last line it said."""
    code = (
        "import django; django.setup()\n"
        f"from tests.classifier.test_training import main; main({str(folder)!r})"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        said = ""
        for said in process.stdout:
            if said.strip() == line:
                process.send_signal(signal.SIGKILL)
                break
        else:
            assert process.wait() == 0 and line is None
    return said.strip()


def test_killed_and_resumed_run_ends_with_the_same_weights(undisturbed, tmp_path):
    _, learner, _ = undisturbed
    run_until(tmp_path, "batch 4 1 5")  # in the middle of a phase, so the optimiser counts too
    last = run_until(tmp_path, None)
    assert last == f"done {digest_of(learner.model)} {list(range(RECIPE.epochs))}"


def test_stop_is_heard_at_the_next_batch_and_resumed(undisturbed, tmp_path):
    _, trained, history = undisturbed
    store, asked, seen = LocalCheckpoints(tmp_path / "checkpoints"), [], []
    # Eight batches to train and three to validate in an epoch: this is in the third, whose frozen
    # layers were trained before. A zero gradient left over would make the two runs differ.

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 28

    _, learner = build(tmp_path / "pictures")
    with pytest.raises(TrainingStopped) as caught:
        train(learner, RECIPE, SEED, store, should_stop=stop)
    assert caught.value.epochs == 2 and len(asked) == 28

    _, learner = build(tmp_path / "pictures")
    again = train(learner, RECIPE, SEED, store, on_epoch=lambda result: seen.append(result.number))
    assert seen == list(range(RECIPE.epochs))
    assert [r.train_loss for r in again] == [r.train_loss for r in history]
    assert digest_of(learner.model) == digest_of(trained.model)


def test_errors_of_listeners_come_out_as_they_are(tmp_path):
    _, learner = build(tmp_path / "pictures")

    def fail(result):
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        train(learner, RECIPE, SEED, LocalCheckpoints(tmp_path), on_epoch=fail)
    assert caught.value.args == ("mine",)


def test_progress_says_epoch_batch_and_loss(tmp_path):
    _, learner = build(tmp_path / "pictures")
    heard = []

    def hear(*args):
        heard.append(args)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(learner, RECIPE, SEED, LocalCheckpoints(tmp_path), on_progress=hear)
    epoch, batch, batches, loss = heard[0]
    assert (epoch, batch, batches) == (0, 1, 8) and loss > 0


def test_checkpoint_of_another_run_is_refused(undisturbed, tmp_path):
    _, learner, _ = undisturbed

    state = {
        "format": 1,
        "files": {},
        "recipe": RECIPE.as_json(),
        "seed": SEED + 1,
        "items": learner.items_digest,
        "precision": "fp32",
        "history": [],
    }
    (tmp_path / "epoch-00001").mkdir()
    (tmp_path / "epoch-00001/state.json").write_text(json.dumps(state))
    with pytest.raises(CheckpointMismatch, match="seed"):
        train(learner, RECIPE, SEED, LocalCheckpoints(tmp_path))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precision_and_layout_reach_the_convolutions(tmp_path, precision):
    recipe = dataclasses.replace(RECIPE, precision=precision, rounds=(1,), head_epochs=0)
    _, learner = build(tmp_path / "pictures", recipe)
    seen = set()

    def look(module, inputs, output):
        last = inputs[0].is_contiguous(memory_format=torch.channels_last)
        seen.add((output.dtype, last))

    learner.model[0][4][0].conv1.register_forward_hook(look)
    train(learner, recipe, SEED, LocalCheckpoints(tmp_path / "checkpoints"))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert seen == {(dtype, True)}
    weights = {p.dtype for p in learner.model.parameters()}
    assert weights == {torch.float32}
    folder = LocalCheckpoints(tmp_path / "checkpoints").latest()
    assert json.loads((folder / "state.json").read_text())["precision"] == precision


def test_a_resumed_run_keeps_the_precision_it_began_with(tmp_path):
    recipe = dataclasses.replace(RECIPE, precision="auto", rounds=(1,))
    store = LocalCheckpoints(tmp_path / "checkpoints")
    _, learner = build(tmp_path / "pictures", recipe)

    def stop(result):
        raise KeyError

    with pytest.raises(KeyError):
        train(learner, recipe, SEED, store, on_epoch=stop)
    file = store.latest() / "state.json"
    state = json.loads(file.read_text())
    other = {"fp32": "bf16", "bf16": "fp32"}[state["precision"]]
    file.write_text(json.dumps({**state, "precision": other}))
    _, learner = build(tmp_path / "pictures", recipe)
    train(learner, recipe, SEED, store)
    assert json.loads((store.latest() / "state.json").read_text())["precision"] == other


def test_exploding_loss_ends_the_run(tmp_path):
    _, learner = build(tmp_path / "pictures")
    with torch.no_grad():
        learner.model[1][-1].weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="lower lr"):
        train(learner, RECIPE, SEED, LocalCheckpoints(tmp_path / "checkpoints"))
    assert LocalCheckpoints(tmp_path / "checkpoints").latest() is None


def test_an_epoch_is_a_slice_of_shuffled_passes():
    plan = EpochOrder([1] * 10, 4, seed=1)
    seen = [plan(epoch) for epoch in range(5)]
    assert sorted(sum(seen, [])[:10]) == sorted(sum(seen, [])[10:]) == list(range(10))
    # Asked for one epoch alone, as a resumed run does, it says the same.
    assert EpochOrder([1] * 10, 4, seed=1)(3) == seen[3] != EpochOrder([1] * 10, 4, seed=2)(3)
    assert len(EpochOrder([1] * 3, 8, seed=1)(0)) == 8


def test_pictures_come_as_often_as_their_frequency_says():
    wanted = [0.25, 0.75, 1.0, 2.0]
    plan = EpochOrder(wanted, 4, seed=3)
    seen = Counter(sum((plan(epoch) for epoch in range(100)), []))
    assert all(abs(seen[i] - 100 * f) <= 2 for i, f in enumerate(wanted))


def test_rare_classes_and_street_photographs_are_drawn_more_often():
    items = [Item(Path("x"), "common", "train", str(n)) for n in range(16)]
    items += [Item(Path("x"), "rare", "train", f"r{n}") for n in range(4)]
    plain = frequencies(items, RECIPE)
    assert plain == [1.0] * 20
    half = frequencies(items, dataclasses.replace(RECIPE, balance=0.5))
    assert sum(half) == pytest.approx(20) and half[16] == pytest.approx(2 * half[0])
    items[0] = dataclasses.replace(items[0], scene="street")
    street = frequencies(items, dataclasses.replace(RECIPE, street_weight=3.0))
    assert street[0] == pytest.approx(3 * street[1]) == pytest.approx(3 * street[19])


def test_every_phase_trains_at_its_size_and_is_judged_at_the_served_one(tmp_path):
    recipe = dataclasses.replace(RECIPE, rounds=(1, 1), sizes=(32, 48), head_epochs=0, size=64)
    _, learner = build(tmp_path / "pictures", recipe)
    seen = set()

    def look(module, inputs, output):
        seen.add((module.training, inputs[0].shape[-1]))

    learner.model[0][0].register_forward_hook(look)
    history = train(learner, recipe, SEED, LocalCheckpoints(tmp_path / "checkpoints"))
    assert len(history) == 2
    assert seen == {(True, 32), (True, 48), (False, 64)}


def test_decoded_pictures_train_like_their_files(tmp_path):
    items, from_files = build(tmp_path / "pictures")
    pictures = [decode_request(item.path, item.split, RECIPE) for item in items]
    kept = decoded_pictures.decode_all(pictures, tmp_path / "decoded", 10**9)
    for item in items:
        item.path.unlink()
    from_memory = build_learner(items, SLUGS, RECIPE, SCRATCH, SEED, "cpu", pictures=kept)
    mine = from_memory.dls.valid.one_batch()[0]
    write_jpegs(tmp_path / "pictures")
    assert torch.equal(mine, from_files.dls.valid.one_batch()[0])
    digests = []
    for learner, name in ((from_files, "a"), (from_memory, "b")):
        recipe = dataclasses.replace(RECIPE, rounds=(1,))
        train(learner, recipe, SEED, LocalCheckpoints(tmp_path / name))
        digests.append(digest_of(learner.model))
    assert digests[0] == digests[1]


def test_a_student_learns_its_teachers_answers(undisturbed, version, tmp_path):
    items, taught, _ = undisturbed
    recipe = dataclasses.replace(RECIPE, rounds=(4,), teacher="1", teacher_weight=1.0)
    # The labels are wrong, and only the teacher, weighing all, knows the right ones.
    wrong = [dataclasses.replace(i, label=SLUGS[SLUGS.index(i.label) - 1]) for i in items]
    spec = taught.preprocess
    teacher = Teacher("resnet18", version / "weights.safetensors", SLUGS, spec)
    batch = learner_batch = taught.dls.valid.one_batch()[0]
    with torch.no_grad():
        theirs = teacher(batch)
        mine = taught.model.eval()(learner_batch)
    assert torch.allclose(theirs, mine, atol=0.05 * mine.abs().max())  # it was stored in float16
    student = build_learner(wrong, SLUGS, recipe, SCRATCH, SEED, "cpu", teacher)
    train(student, recipe, SEED, LocalCheckpoints(tmp_path))
    with torch.no_grad():
        agrees = student.model.eval()(batch).argmax(1) == theirs.argmax(1)
    assert agrees.float().mean() >= 0.6
    other = Preprocess(spec.size, spec.fit, (0.5,) * 3, (0.5,) * 3)
    renormalised = Teacher("resnet18", version / "weights.safetensors", SLUGS[::-1], other)
    mean, std = (torch.tensor(v)[:, None, None] for v in (spec.mean, spec.std))
    with torch.no_grad():
        again = renormalised((batch * std + mean - 0.5) / 0.5)
    assert torch.allclose(again.flip(1), theirs, atol=1e-3)


def test_a_head_is_fitted_to_what_a_trained_body_sees(undisturbed, tmp_path):
    _, trained, _ = undisturbed
    recipe = dataclasses.replace(RECIPE, head_start="probe", rounds=(1,), head_epochs=0, lr=1e-7)
    state = start_weights.public_state(trained.model, "resnet18", "linear")
    body = {name: tensor for name, tensor in state.items() if name[:3] != "fc."}
    _, learner = build(tmp_path / "pictures", recipe, Start(body, "a trained body"))
    # Next to nothing is learnt at this rate: what the network can do, the fit gave it.
    (result,) = train(learner, recipe, SEED, LocalCheckpoints(tmp_path / "checkpoints"))
    assert result.accuracy >= 0.9


def test_the_last_round_sees_views_of_its_own(tmp_path):
    recipe = dataclasses.replace(RECIPE, rounds=(1, 1), head_epochs=0, last_min_scale=0.9)
    _, learner = build(tmp_path / "pictures", recipe)
    crops = {
        view: [t.min_scale for t in dls.train.after_item if isinstance(t, RandomResizedCrop)]
        for view, dls in learner.loaders.items()
    }
    assert crops == {View(32, 0.5, 0): [0.5], View(32, 0.9, 0): [0.9]}
    train(learner, recipe, SEED, LocalCheckpoints(tmp_path / "checkpoints"))
    assert learner.dls is learner.loaders[View(32, 0.9, 0)]


def test_a_stop_is_heard_while_the_head_is_fitted(tmp_path):
    recipe = dataclasses.replace(RECIPE, head_start="probe")
    _, learner = build(tmp_path / "pictures", recipe)
    store = LocalCheckpoints(tmp_path / "checkpoints")
    with pytest.raises(TrainingStopped):
        train(learner, recipe, SEED, store, should_stop=lambda: True)
    assert store.latest() is None


def test_a_teacher_that_never_learnt_a_class_is_refused(version):
    spec = Preprocess(32)
    with pytest.raises(WeightsDoNotFit, match="never learnt tower"):
        Teacher("resnet18", version / "weights.safetensors", [*SLUGS, "tower"], spec)


def test_unknown_labels_and_empty_splits_are_refused(tmp_path):
    items = [Item(*row) for row in write_jpegs(tmp_path)]
    with pytest.raises(UnknownLabel, match="blank"):
        build_learner(items, SLUGS[:-1], RECIPE, SCRATCH, SEED)
    with pytest.raises(TooFewPictures, match="valid"):
        build_learner([i for i in items if i.split == "train"], SLUGS, RECIPE, SCRATCH, SEED)


def test_validation_sees_what_serving_sees(undisturbed):
    items, learner, _ = undisturbed
    batch = learner.dls.valid.one_batch()[0]
    path = next(item.path for item in items if item.split == "valid")
    mine = to_array(open_photo(path, RECIPE.size), learner.preprocess)
    assert np.abs(batch[0].numpy() - mine).max() < 1e-5


# Checkpoints


def checkpoint(folder: Path, content: str = "a") -> Path:
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    state = {"format": 1, "files": {"weights.safetensors": digest}}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def test_newest_two_checkpoints_are_kept(tmp_path):
    store = LocalCheckpoints(tmp_path / "kept")
    assert store.latest() is None
    for epoch in (1, 2, 11):
        store.save(epoch, checkpoint(tmp_path / str(epoch)))
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == ["epoch-00002", "epoch-00011"]
    assert store.latest().name == "epoch-00011"


def test_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    store = LocalCheckpoints(tmp_path / "kept")
    for epoch in (1, 2):
        store.save(epoch, checkpoint(tmp_path / str(epoch)))
    (tmp_path / "kept/epoch-00002/weights.safetensors").write_text("b")
    assert store.latest().name == "epoch-00001"
    (tmp_path / "kept/epoch-00001/state.json").write_text("{")
    assert store.latest() is None


def test_what_a_kill_left_half_written_is_no_checkpoint_and_goes_away(tmp_path):
    store = LocalCheckpoints(tmp_path / "kept")
    checkpoint(tmp_path / "kept/.part-x/state")  # as earlier code named it
    checkpoint(tmp_path / "kept/.epoch-00001.0a1b2c3d.part")
    assert store.latest() is None
    store.save(1, checkpoint(tmp_path / "new"))
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["epoch-00001"]


# Where a network starts


def test_nothing_found_says_what_there_is_and_never_starts_from_scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(NoPretrainedWeights) as caught:
        load_start("resnet18", "auto", allow_network=False)
    assert "weights file setting: not set" in caught.value.detail
    assert str(tmp_path) in caught.value.detail and "scratch" in caught.value.detail


def test_weights_of_another_network_are_refused(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    save_file(network.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(WeightsDoNotFit, match="missing conv1.weight"):
        load_start("resnet18", "file", tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsDoNotFit, match="unreadable"):
        load_start("resnet18", "auto", tmp_path / "broken.safetensors")


def test_foreign_pickle_is_not_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "executed").touch, ())

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsDoNotFit):
        load_start("resnet18", "file", tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


def test_unknown_architecture_is_refused():
    with pytest.raises(UnknownArchitecture):
        load_start("resnet35", "scratch")


def test_torch_cache_is_used_only_undamaged(tmp_path, monkeypatch):
    from torchvision.models import ResNet18_Weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub/checkpoints" / ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[1]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    with pytest.raises(NoPretrainedWeights, match="damaged"):
        load_start("resnet18", "imagenet", allow_network=False)


def test_a_version_is_a_start_for_the_next_training(version, undisturbed, tmp_path):
    start = load_start("resnet18", "version", version_file=version / "weights.safetensors")
    assert start.classes == tuple(SLUGS)
    # A new class in front: the head's rows follow their classes.
    _, fresh = build(tmp_path, start=start, classes=["new", *SLUGS])
    old = undisturbed[1].model
    assert torch.allclose(fresh.model[0][0].weight, old[0][0].weight, atol=1e-3)
    assert torch.allclose(fresh.model[1][-1].weight[1:], old[1][-1].weight, atol=1e-3)


def test_where_no_weights_can_be_had_the_starter_gives_them(version, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = version / "weights.safetensors"
    start = load_start("resnet18", "auto", allow_network=False, starter_file=file)
    assert start.classes == tuple(SLUGS) and start.described.startswith("the starter model")
    assert load_start("resnet18", "starter", starter_file=file).classes == tuple(SLUGS)
    # A weights file that was set comes first.
    body = {name: tensor for name, tensor in load_file(file).items() if name[:3] != "fc."}
    save_file(body, tmp_path / "own.safetensors")
    mine = load_start("resnet18", "auto", tmp_path / "own.safetensors", starter_file=file)
    assert mine.described.startswith("own.safetensors")


def test_a_starter_of_another_network_is_no_start(version, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(NoPretrainedWeights, match="starter model: it is a resnet18"):
        load_start(
            "resnet34", "auto", allow_network=False, starter_file=version / "weights.safetensors"
        )
    with pytest.raises(NoPretrainedWeights, match="this installation has none"):
        load_start("resnet18", "starter", starter_file=tmp_path / "none")


# Export


def test_version_holds_what_its_card_lists(version):
    card = json.loads((version / "card.json").read_text())
    assert card["format"] == 1 and card["name"] == "Shapes" and card["arch"] == "resnet18"
    assert {p.name for p in version.iterdir()} == {"card.json", *card["files"]}
    for name, facts in card["files"].items():
        data = (version / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == facts["sha256"] and len(data) == facts["bytes"]
    assert card["training"] == {"started_from": "random weights"}
    assert card["valid"]["n"] == 20 and card["valid"]["top1"] >= 0.9
    assert list(version.parent.iterdir()) == [version]  # nothing half-written beside it


def test_graph_does_not_tell_where_it_was_made(version):
    graph = (version / "model.onnx").read_bytes()
    for place in (Path(torch.__file__).parents[1], settings.BASE_DIR):
        assert str(place).encode() not in graph


def test_graph_of_the_starter_names_no_files_of_code():
    graph = (starter.FOLDER / "model.onnx").read_bytes()
    assert b"site-packages" not in graph and b".py" not in graph


def test_notes_are_cleared_wherever_a_graph_may_hold_them():
    note = "/home/somebody/shoes/learner.py"
    value = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1], doc_string=note)
    weight = helper.make_tensor("y", onnx.TensorProto.FLOAT, [1], [0.5])
    weight.doc_string = note
    constant = helper.make_node("Constant", [], ["y"], value=weight, doc_string=note)
    constant.metadata_props.add(key="stack", value=note)
    branch = helper.make_graph([constant], "branch", [], [value], doc_string=note)
    choice = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    function = helper.make_function(
        "own", "Half", [], ["y"], [constant], [helper.make_opsetid("", 20)], doc_string=note
    )
    model = helper.make_model(
        helper.make_graph([choice], "main", [], [value], [weight], note), functions=[function]
    )
    clean = without_notes(model.SerializeToString())
    assert note.encode() in model.SerializeToString() and note.encode() not in clean
    (kept,) = onnx.load_from_string(clean).graph.initializer
    assert onnx.numpy_helper.to_array(kept) == 0.5


def test_served_graph_is_int8_and_agrees(version, model):
    assert model.card["precision"] == "int8"
    graph = onnx.load(version / "model.onnx").graph
    kinds = {node.op_type for node in graph.node}
    assert "QuantizeLinear" in kinds and "BatchNormalization" not in kinds


def test_fp32_is_served_where_int8_does_not_agree_and_equals_torch(undisturbed, tmp_path):
    items, learner, _ = undisturbed
    card = export_version(
        learner.model,
        CLASSES,
        RECIPE,
        learner.preprocess,
        items,
        {},
        tmp_path / "v",
        min_agreement=1.01,
    )
    assert card["precision"] == "fp32" and len(card["agreement"]) == 7
    model = Model.load(tmp_path / "v")
    paths = [item.path for item in items[:5]]
    batch = np.stack([to_array(open_photo(path, 32), learner.preprocess) for path in paths])
    with torch.no_grad():
        wanted = Served(learner.model, "linear").eval()(torch.from_numpy(batch))
    for mine, theirs in zip(model.run(batch), wanted, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs.numpy()).max() < 1e-4 * max(1, theirs.abs().max())


def test_class_map_is_features_times_the_heads_weights(model):
    batch = to_array(draw("disc", 0), model.preprocess)[None]
    logits, embedding, features = model.run(batch)
    assert features.shape[:2] == (1, 512) and embedding.shape == (1, 512)
    maps = np.einsum("kc,chw->khw", model.head[:, :-1], features[0])
    assert np.abs(maps.mean((1, 2)) + model.head[:, -1] - logits[0]).max() < 0.2  # int8


def test_weights_are_kept_in_half_precision_under_torchvisions_names(version):
    state = load_file(version / "weights.safetensors")
    assert {"conv1.weight", "layer4.1.bn2.running_var", "fc.weight", "fc.bias"} <= set(state)
    assert state["conv1.weight"].dtype == torch.float16


def test_version_is_never_overwritten(undisturbed, version):
    items, learner, _ = undisturbed
    with pytest.raises(VersionExists):
        export_version(learner.model, CLASSES, RECIPE, learner.preprocess, items, {}, out=version)


def test_fastais_own_head_is_exported_too(tmp_path):
    recipe = get_recipe(
        "original",
        {"arch": "resnet18", "start": "scratch", "size": 32, "threads": 1, "workers": 0},
    )
    items, learner = build(tmp_path / "pictures", recipe)
    card = export_version(
        learner.model, CLASSES, recipe, learner.preprocess, items, {}, tmp_path / "v"
    )
    model = Model.load(tmp_path / "v")
    assert model.head is None and "head.npy" not in card["files"]
    assert model.run(to_array(draw("disc", 0), model.preprocess)[None])[1].shape == (1, 512)


# Prediction


@pytest.mark.parametrize("slug", ["disc", "ring", "bars"])
def test_new_picture_of_a_type_is_recognised_from_bytes(model, tmp_path, slug):
    draw(slug, 99).save(tmp_path / "a.png")
    prediction = predict((tmp_path / "a.png").read_bytes(), model)
    assert prediction.verdict == "type" and prediction.type == prediction.top[0]
    assert prediction.type[0] == slug
    assert prediction.category[0] == {"bars": "straight"}.get(slug, "round")
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.embedding.shape == (512,)


def test_no_shoe_is_refused_and_top_is_filled_all_the_same(model):
    prediction = predict_picture(draw("blank", 99), model)
    assert prediction.verdict == "not_a_shoe"
    assert prediction.type is None and prediction.category is None
    assert [slug for slug, _ in prediction.top] != [] and len(prediction.top) == 3
    assert {slug for slug, _ in prediction.top} == {"disc", "ring", "bars"}


def test_another_shoe_is_no_type(model):
    prediction = predict_picture(draw("cross", 99), model)
    assert prediction.verdict == "unsure" and prediction.type is None


def test_hostile_bytes_raise_the_decoders_error(model):
    with pytest.raises(UnsupportedFormat):
        predict(b"GIF? no", model)


def test_model_is_named_by_its_cards_digest(version, model):
    assert model.digest == hashlib.sha256((version / "card.json").read_bytes()).hexdigest()
    assert model.classes == CLASSES


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"format": 2}, "format 2"),
        ({"reference": {"logits": [9.0] * 5, "tolerance": 0.1}}, "reference picture"),
        ({"reference": {"logits": [9.0], "tolerance": 0.1}}, "one logit per class"),
        ({"preprocess": None}, "TypeError"),
        ({"files": {}}, "does not list model.onnx"),
        ({"files": {"model.onnx": {"sha256": "0"}}}, "another sha256"),
        ({"files": {"model.onnx": {}, "../x": {"sha256": "0"}}}, "KeyError|outside"),
    ],
)
def test_card_that_lies_is_refused(version, tmp_path, changes, why):
    with pytest.raises(BrokenVersion, match=why):
        Model.load(copy_of(version, tmp_path, **changes))


def test_damaged_graph_is_refused(version, tmp_path):
    target = copy_of(version, tmp_path)
    with open(target / "model.onnx", "ab") as file:
        file.write(b"x")
    with pytest.raises(BrokenVersion, match="model.onnx has another sha256"):
        Model.load(target)
    with pytest.raises(BrokenVersion, match="does not open"):
        open_session(b"no graph")
    with pytest.raises(BrokenVersion):
        Model.load(tmp_path / "nowhere")
