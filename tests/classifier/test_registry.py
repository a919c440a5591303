"""Versions: stored, verified, promoted, rolled back, followed by running processes, judged."""

import io
import json
import platform
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from PIL import Image

from classifier.errors import BadOverride, BrokenVersion, UnknownRecipe, VersionExists
from classifier.jobs import checkpoints, training
from classifier.jobs import evaluation as judging
from classifier.models import Evaluation, ModelVersion, Promotion, TrainingRun
from classifier.registry import lookup, promote, serving, starter, stored
from curation import ingest
from curation.snapshots import freeze, manifest
from shoeproject import jobs
from shoeproject.storage.files import sha256_of
from tests import tiny_model
from tests.factories import shoe_type

pytestmark = pytest.mark.django_db


@pytest.fixture
def make(tmp_path):
    """A function that makes a stored version; every name, another version."""

    def version(name: str, colours=tiny_model.COLOURS) -> ModelVersion:
        version_row = tiny_model.activate(tmp_path / name, colours, name)
        ModelVersion.objects.update(active=False)
        serving.forget()
        version_row.refresh_from_db()
        return version_row

    return version


def coloured(colour, size=(120, 110)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def test_nothing_is_served_before_the_first_promotion(make):
    make("a")
    assert serving.active() is None


def test_a_promotion_is_followed_and_a_rollback_too(make):
    first, second = make("a"), make("b")
    promote.promote(first)
    assert serving.active().version == first
    promote.promote(second)
    assert serving.active().version == second
    promote.rollback()
    assert serving.active().version == first
    kinds = list(Promotion.objects.order_by("id").values_list("kind", "version", "previous"))
    assert kinds == [
        ("promote", first.pk, None),
        ("promote", second.pk, first.pk),
        ("rollback", first.pk, second.pk),
    ]


def test_requests_wait_while_the_first_version_is_loaded(make, settings, monkeypatch):
    settings.MODEL_POLL_SECONDS = 60  # only the first of the two threads has the database
    version, load, answers = make("a"), stored.load, []
    promote.promote(version)
    other = threading.Thread(target=lambda: answers.append(serving.active()))

    def slowly(*args):
        other.start()
        other.join(0.5)
        return load(*args)

    monkeypatch.setattr(stored, "load", slowly)
    served = serving.active()
    other.join()
    assert served.version == version
    assert answers == [served]


def resident() -> float:
    """This process's resident memory in MiB (man 5 proc_pid_statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024**2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim is glibc’s")
def test_freed_memory_is_returned_when_the_next_version_is_loaded(make):
    first, second = make("a"), make("b")
    promote.promote(first)
    assert serving.active().version == first
    promote.promote(second)
    kept = []

    def leave_holes():
        blocks = [bytearray(b"x" * 50_000) for _ in range(4000)]
        kept.extend(blocks[::100])

    thread = threading.Thread(target=leave_holes)
    thread.start()
    thread.join()
    before = resident()
    assert serving.active().version == second
    assert before - resident() > 100


def test_rollback_needs_an_earlier_version(make):
    with pytest.raises(promote.NothingToRollBack):
        promote.rollback()
    promote.promote(make("a"))
    with pytest.raises(promote.NothingToRollBack):
        promote.rollback()


def test_promoting_the_active_version_is_refused(make):
    version = make("a")
    promote.promote(version)
    with pytest.raises(promote.PromotionRefused):
        promote.promote(version)
    assert Promotion.objects.count() == 1


def damage(version, name="model.onnx"):
    with storages["models"].open(version.file_name(name)) as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 255
    storages["models"].save(version.file_name(name), ContentFile(bytes(data)))


@pytest.mark.parametrize("name", ["model.onnx", "head.npy", "card.json"])
def test_a_damaged_version_is_not_promoted(make, name):
    version = make("a")
    damage(version, name)
    with pytest.raises(BrokenVersion):
        promote.promote(version)
    assert not ModelVersion.objects.filter(active=True).exists()


def test_a_version_that_fails_here_leaves_the_old_one_serving(make):
    good, bad = make("a"), make("b")
    promote.promote(good)
    assert serving.active().version == good
    damage(bad)
    ModelVersion.objects.update(active=False)
    ModelVersion.objects.filter(pk=bad.pk).update(active=True)
    assert serving.active().version == good


def test_a_damaged_local_copy_is_fetched_again(make):
    version = make("a")
    folder = stored.fetch(version)
    (folder / "model.onnx").write_bytes(b"rubbish")
    assert stored.load(version).digest == version.digest


@pytest.mark.parametrize("text", ["", "zzz", "99999", "active"])
def test_a_version_that_does_not_exist_is_not_found(make, text):
    make("a")
    with pytest.raises(lookup.VersionNotFound):
        lookup.find(text)


def test_versions_are_found_by_number_and_by_digest(make):
    version = make("a")
    assert lookup.find(str(version.pk)) == version
    assert lookup.find(version.short) == version


@pytest.fixture
def frozen():
    """A snapshot with images of two types; the model names one of each wrongly."""
    for number in range(40):
        red, blue = coloured((250 - number, 0, 0)), coloured((0, 0, 250 - number))
        origin = ingest.Origin(source="drawn")
        ingest.add_image(red, origin, label=shoe_type("chelsea-boots"))
        ingest.add_image(blue, origin, label=shoe_type("brogues"))
    ingest.add_image(coloured((1, 2, 3)), ingest.Origin(), label=shoe_type("not-a-shoe"))
    return freeze.freeze("drawn", freeze.Filter())


def test_an_evaluation_keeps_figures_and_every_probability(make, frozen):
    version = make("a")
    evaluation = judging.ask(version, frozen)
    assert judging.ask(version, frozen) == evaluation
    jobs.perform(Evaluation, evaluation.pk, judging.run)
    evaluation.refresh_from_db()
    assert evaluation.state == "done", evaluation.error
    lines = [line for line in manifest.read(frozen) if line.split == "test"]
    types = [line for line in lines if line.label != "not-a-shoe"]
    figures = evaluation.metrics
    assert figures["images"] == len(types) == sum(r["images"] for r in figures["per_type"].values())
    assert 0 < figures["accuracy"] <= 1
    low, high = figures["interval"]
    assert low < figures["accuracy"] <= high
    assert figures["per_source"]["drawn"]["images"] == len(types)
    with storages["models"].open(evaluation.probabilities) as file:
        table = np.load(io.BytesIO(file.read()), allow_pickle=False)
    assert list(table["sha256"]) == [line.sha256 for line in lines]
    assert table["probabilities"].shape == (len(lines), len(tiny_model.COLOURS))
    assert np.allclose(table["probabilities"].sum(axis=1), 1, atol=1e-5)


def test_a_cancelled_evaluation_can_be_asked_for_again(make, frozen):
    version = make("a")
    judging.ask(version, frozen).cancel()
    again = judging.ask(version, frozen)
    assert again.state == "queued"
    assert Evaluation.objects.get() == again


def judged(version, frozen, accuracy):
    Evaluation.objects.create(
        version=version, snapshot=frozen, state="done", metrics={"accuracy": accuracy}
    )


def test_a_worse_version_is_not_promoted_unless_forced(make, frozen):
    good, bad = make("a"), make("b")
    judged(good, frozen, 0.9)
    judged(bad, frozen, 0.8)
    promote.promote(good)
    with pytest.raises(promote.PromotionRefused, match="80.0%"):
        promote.promote(bad)
    assert promote.promote(bad, force=True)


def test_the_starter_is_registered_once_and_becomes_active_only_where_none_is(tmp_path):
    folder = tmp_path / "starter"
    folder.mkdir()
    assert starter.register(folder) is None
    classes = [
        {"slug": slug, "kind": "type", "category": "boots"} for slug in ("uggs", "army-boots")
    ]
    tiny_model.write(folder, classes, [(255, 0, 0), (0, 255, 0)], "starter")
    version = starter.register(folder)
    assert serving.active().version == version
    assert starter.register(folder) == version
    assert (ModelVersion.objects.count(), Promotion.objects.count()) == (1, 1)


def test_a_starter_carries_the_figures_of_its_evaluation(make, frozen, tmp_path):
    version, other = make("a"), make("b")
    ModelVersion.objects.update(snapshot=frozen)
    version.refresh_from_db()
    out = tmp_path / "exported"
    with pytest.raises(starter.NeverJudged, match="--snapshot drawn"):
        starter.export(version, out)
    for one in (version, other):
        jobs.perform(Evaluation, judging.ask(one, frozen).pk, judging.run)
    (tmp_path / "sizes.json").write_text('[{"size": 64}]')
    call_command(
        "export_starter", str(version.pk), str(out), "--name", "Starter", "--note", "Drawn.",
        "--sizes", str(tmp_path / "sizes.json"), "--compared", str(other.pk),
    )  # fmt: skip
    card = json.loads((out / "card.json").read_text())
    assert card["test"]["snapshot"] == {"name": "drawn", "digest": frozen.digest}
    assert card["test"]["metrics"] == version.evaluations.get().metrics
    assert card["compared"][0]["accuracy"] == other.evaluations.get().metrics["accuracy"]
    assert (card["name"], card["notes"], card["sizes"]) == ("Starter", ["Drawn."], [{"size": 64}])
    again = starter.register(out)
    assert again != version and serving.active().version == again
    with pytest.raises(VersionExists):
        starter.export(version, out)


def test_predict_prints_one_line_for_each_file_in_order(make, tmp_path, capsys):
    promote.promote(make("a"))
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(coloured((255, 0, 0)))
    bad.write_text("no picture")
    with pytest.raises(SystemExit):
        call_command("predict", str(bad), str(good), str(tmp_path / "none.png"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("error", {}).get("code") for line in lines] == [
        "image_unsupported",
        None,
        "file_unreadable",
    ]
    assert lines[1]["type"]["slug"] == "chelsea-boots"
    assert lines[1]["file"] == str(good)


def test_a_run_is_refused_before_it_is_queued(frozen):
    with pytest.raises(UnknownRecipe):
        training.start(frozen, "magic")
    with pytest.raises(BadOverride):
        training.start(frozen, "quick-look", {"size": "7"})
    frozen.incomplete = True
    with pytest.raises(training.SnapshotIncomplete):
        training.start(frozen)


def test_a_teacher_is_kept_by_its_digest(make, frozen):
    version = make("a")
    with pytest.raises(training.NoTeacher, match="linear head"):
        training.start(frozen, "quick-look", {"teacher": str(version.pk)})
    files = {**version.card["files"], "weights.safetensors": {}}
    ModelVersion.objects.update(active=True, card={**version.card, "files": files})
    for text in ("active", str(version.pk), version.digest[:9]):
        run = training.start(frozen, "quick-look", {"teacher": text})
        assert run.overrides == {"teacher": version.short}
    with pytest.raises(lookup.VersionNotFound):
        training.start(frozen, "quick-look", {"teacher": "99"})
    with pytest.raises(BadOverride):
        training.start(frozen, "quick-look", {"teacher": "the best one"})


def write_checkpoint(folder, epoch):
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(b"weights %d" % epoch)
    files = {"weights.safetensors": sha256_of(folder / "weights.safetensors")}
    (folder / checkpoints.STATE).write_text(
        json.dumps({"format": checkpoints.FORMAT, "epochs": epoch, "files": files})
    )


def test_checkpoints_of_finished_runs_are_deleted(tmp_path, frozen):
    def run(state):
        row = TrainingRun.objects.create(snapshot=frozen, recipe="quick-look", state=state)
        write_checkpoint(tmp_path / state, 1)
        checkpoints.StoredCheckpoints(row.pk, tmp_path).save(1, tmp_path / state)
        return row

    rows = {state: run(state) for state in ("paused", "failed", "cancelled", "done")}
    training.drop_old_checkpoints()
    left = set(checkpoints.run_ids()) & {row.pk for row in rows.values()}
    assert left == {rows["paused"].pk, rows["failed"].pk}
    for row in rows.values():
        checkpoints.drop(row.pk)


def test_two_checkpoints_are_kept_and_a_damaged_one_is_skipped(tmp_path):
    kept = checkpoints.StoredCheckpoints(77, tmp_path / "scratch")
    assert kept.latest() is None
    for epoch in (1, 2, 3):
        write_checkpoint(tmp_path / f"epoch{epoch}", epoch)
        kept.save(epoch, tmp_path / f"epoch{epoch}")
    assert storages["models"].listdir("checkpoints/run-77")[0].__len__() == 2
    assert (kept.latest() / "weights.safetensors").read_bytes() == b"weights 3"
    storages["models"].save(
        "checkpoints/run-77/00003/weights.safetensors", ContentFile(b"cut short")
    )
    assert (kept.latest() / "weights.safetensors").read_bytes() == b"weights 2"
    checkpoints.drop(77)
    assert kept.latest() is None
