"""Embedders made of pretrained weights: asked for, exported by a process of its own, loaded."""

import functools
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from safetensors.torch import save_file

from classifier.inference.card import CARD, GRAPH, reference_array
from classifier.inference.embedding import Embedder
from classifier.jobs import pretrained_embedder, subprocesses
from classifier.models import PretrainedEmbedder
from classifier.registry import stored
from classifier.training import embedder_export, start_weights
from shoeproject import jobs
from shoeproject.jobs import ClaimLost, State, WorkerDied, WorkerStopping
from tests.shoeproject.test_loop import scratch_database

ROOT = settings.BASE_DIR
ARCH, SIZE = "resnet18", 32


@pytest.fixture(autouse=True)
def small(settings):
    """The smallest network there is, and a worker that looks after its process all the time."""
    settings.EMBED_ARCH, settings.EMBED_SIZE = ARCH, SIZE
    settings.JOB_TICK_SECONDS = 0


@pytest.fixture
def offline(monkeypatch, tmp_path, settings):
    """Neither network nor torch's cache nor a weights file."""
    load = functools.partial(start_weights.load_start, allow_network=False)
    monkeypatch.setattr(start_weights, "load_start", load)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings.PRETRAINED_WEIGHTS = ""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of random weights, and the file that holds them."""
    torch.manual_seed(5)
    made = start_weights.bare_network(ARCH).eval()
    file = tmp_path_factory.mktemp("weights") / "drawn.safetensors"
    save_file(made.state_dict(), file)
    return made, file


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """The models folder of an installation whose export job was performed, and its output."""
    var = tmp_path_factory.mktemp("installation")
    with scratch_database(var) as database:
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "shoeproject.settings",
            "VAR_DIR": str(var),
            "DATABASE_URL": database,
            "EMBED_ARCH": ARCH,
            "EMBED_SIZE": str(SIZE),
            "PRETRAINED_WEIGHTS": str(network[1]),
            "JOB_WAIT_FOR_WORKER_SECONDS": "0",
        }
        for command in (["migrate", "-v", "0"], ["export_embedder", "--wait"]):
            done = subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=ROOT, env=env, capture_output=True, text=True, timeout=240,
            )  # fmt: skip
            logs = "".join(path.read_text() for path in (var / "log").glob("*.log"))
            assert done.returncode == 0, done.stderr + logs
    return var, done.stdout


@pytest.fixture
def row(exported, db):
    """The embedder in this installation, its files in the storage."""
    (folder,) = (exported[0] / "models" / "embedders").iterdir()
    card = json.loads((folder / CARD).read_text())
    digest = stored.put(folder, card, PretrainedEmbedder)
    return PretrainedEmbedder.objects.create(
        arch=ARCH, size=SIZE, digest=digest, card=card, state=State.DONE
    )


def damage(embedder_row):
    storages["models"].save(embedder_row.file_name(GRAPH), ContentFile(b"damaged"))


def test_the_job_exports_it_and_leaves_nothing_lying_about(exported, network):
    var, said = exported
    (folder,) = (var / "models" / "embedders").iterdir()
    assert said.startswith(f"{ARCH} at {SIZE} px is there: drawn.safetensors")
    assert folder.name[:12] in said
    assert list((var / "cache" / "exports").iterdir()) == []
    assert (var / "log" / "embedder-1.log").exists()
    assert list((var / "models").iterdir()) == [var / "models" / "embedders"]


def test_it_embeds_as_torch_does(row, network):
    found = pretrained_embedder.load(row)
    assert found.digest == row.digest and found.name.startswith("drawn.safetensors")
    pictures = np.concatenate([reference_array(found.preprocess)] * 3)
    pictures[1] += 0.3
    pictures[2] = pictures[2, :, ::-1]
    with torch.no_grad():
        wanted = network[0](torch.from_numpy(pictures.copy())).numpy()
    given = found.run(pictures)
    assert given.shape == (3, 512) and given.dtype == np.float32
    assert np.abs(given - wanted).max() < 1e-3
    assert np.abs(given[0] - given[1]).max() > 1e-3


def test_it_is_fetched_once(row):
    pretrained_embedder.load(row)
    damage(row)
    assert isinstance(pretrained_embedder.load(row), Embedder)


def test_a_damaged_local_copy_is_fetched_anew(row):
    (stored.fetch(row) / GRAPH).write_bytes(b"damaged")
    assert pretrained_embedder.load(row).digest == row.digest


@pytest.mark.parametrize("harm", [damage, lambda row: storages["models"].delete(
    row.file_name(CARD))], ids=["damaged", "gone"])  # fmt: skip
def test_damaged_files_are_refused_with_what_to_do(row, harm, settings):
    harm(row)
    with pytest.raises(pretrained_embedder.BrokenEmbedder, match="export_embedder --again"):
        pretrained_embedder.load(row)
    left = settings.CACHE_DIR / "embedders"
    assert not left.exists() or list(left.iterdir()) == []


def test_a_card_that_lies_about_its_embedding_is_refused(row, tmp_path):
    folder = stored.fetch(row)
    card = json.loads((folder / CARD).read_text())
    card["reference"]["embedding"][0] += 1
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(pretrained_embedder.BrokenVersion, match="differently"):
        Embedder.load(folder)
    card["preprocess"]["size"] = 0
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(pretrained_embedder.BrokenVersion):
        Embedder.load(folder)


@pytest.mark.django_db
def test_one_that_is_not_exported_yet_says_so():
    with pytest.raises(pretrained_embedder.NotExported, match="queued and not there yet"):
        pretrained_embedder.load(pretrained_embedder.ask())


# Asking


@pytest.mark.django_db
def test_asking_twice_gives_the_same_one(settings):
    row = pretrained_embedder.ask()
    assert (row.state, row.arch, row.size) == (State.QUEUED, ARCH, SIZE)
    assert pretrained_embedder.ask() == row
    settings.EMBED_SIZE = 64
    assert pretrained_embedder.ask() != row


@pytest.mark.django_db
def test_asking_rings(monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr(jobs.notify, "ring", lambda *message: sent.append(message))
    with django_capture_on_commit_callbacks(execute=True):
        row = pretrained_embedder.ask()
    assert sent == [(PretrainedEmbedder.task, "train", row.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("state", [State.FAILED, State.PAUSED])
def test_a_stopped_one_is_resumed_unless_it_stopped_after_the_first_time_of_asking(state):
    row = pretrained_embedder.ask()
    now = timezone.now()
    rows = PretrainedEmbedder.objects.filter(pk=row.pk)
    rows.update(state=state, finished_at=now if state == State.FAILED else None, heartbeat_at=now)
    assert pretrained_embedder.ask(since=now - timedelta(seconds=1)).state == state
    assert pretrained_embedder.ask(since=now + timedelta(seconds=1)) == row
    assert rows.get().state == State.QUEUED
    rows.update(state=state)
    assert pretrained_embedder.ask().state == State.QUEUED


@pytest.mark.django_db
def test_a_cancelled_one_makes_room_and_stays_on_the_list():
    row = pretrained_embedder.ask()
    row.cancel()
    again = pretrained_embedder.ask()
    assert again != row and again.state == State.QUEUED
    assert PretrainedEmbedder.objects.count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        PretrainedEmbedder.objects.create(arch=ARCH, size=SIZE)


def test_one_that_is_there_is_made_anew_only_if_asked_for(row, capsys):
    assert pretrained_embedder.ask() == row
    call_command("export_embedder")
    assert "is there: drawn.safetensors" in capsys.readouterr().out
    call_command("export_embedder", "--again")
    assert "is queued" in capsys.readouterr().out
    assert PretrainedEmbedder.objects.get().state == State.QUEUED


# Weights


def perform(row) -> PretrainedEmbedder:
    """Perform the export in this process."""

    def work(claim):
        embedder_export.run(claim, Path("/nowhere"))

    jobs.perform(PretrainedEmbedder, row.pk, work)
    row.refresh_from_db()
    return row


@pytest.mark.django_db
def test_without_weights_it_says_what_to_do(offline):
    row = perform(pretrained_embedder.ask())
    assert row.state == State.FAILED
    assert f"PRETRAINED_WEIGHTS to a file of weights for {ARCH}" in row.error
    assert "it has seen labels" in row.error and "scratch" not in row.error


@pytest.mark.django_db
def test_the_starter_is_no_pretrained_network(offline, settings):
    settings.EMBED_ARCH = "resnet34"  # the starter's own
    row = perform(pretrained_embedder.ask())
    assert row.state == State.FAILED and "No pretrained weights for resnet34" in row.error


@pytest.mark.django_db
def test_weights_that_saw_labels_are_refused(network, tmp_path, settings):
    about = {"arch": ARCH, "head": "linear", "classes": ["uggs"]}
    state = network[0].state_dict()
    save_file(state, tmp_path / "trained.safetensors", {"version": json.dumps(about)})
    settings.PRETRAINED_WEIGHTS = str(tmp_path / "trained.safetensors")
    row = perform(pretrained_embedder.ask())
    assert row.state == State.FAILED and "learnt from labelled photographs" in row.error


@pytest.mark.django_db
@pytest.mark.parametrize("arch, said", [("resnet50", "give a file made for resnet50"),
                                        ("resnet35", "resnet34 always can")])  # fmt: skip
def test_a_slip_in_the_settings_is_said(network, settings, arch, said):
    settings.EMBED_ARCH, settings.PRETRAINED_WEIGHTS = arch, str(network[1])
    row = perform(pretrained_embedder.ask())
    assert row.state == State.FAILED and said in row.error


# The process


def sleeper(tmp_path, code="") -> list[str]:
    """A process that writes its number and waits, or runs `code`."""
    code = code or "import time; time.sleep(60)"
    written = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    return [sys.executable, "-c", f"{written}; {code}"]


def gone(tmp_path) -> bool:
    return not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def when_started(tmp_path, act):
    """A `watch` for a claim: `act(job)` once the process is there."""

    def watch(job):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            act(job)

    return watch


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_stopped_job_ends_its_process(tmp_path, monkeypatch, verb):
    row = pretrained_embedder.ask()
    monkeypatch.setattr(subprocesses, "management_command", lambda *arguments: sleeper(tmp_path))
    claim = PretrainedEmbedder.claim(row.pk)
    claim.on_progress = when_started(tmp_path, lambda job: getattr(job, verb)())
    with pytest.raises(ClaimLost):
        pretrained_embedder.supervise(claim)
    assert gone(tmp_path)


@pytest.mark.django_db
def test_a_worker_that_must_go_takes_its_process_along(tmp_path):
    claim = PretrainedEmbedder.claim(pretrained_embedder.ask().pk)
    claim.on_progress = when_started(tmp_path, lambda job: jobs.stopping.set())
    with pytest.raises(WorkerStopping):
        subprocesses.supervise(claim, sleeper(tmp_path), "sleeping", tmp_path / "log")
    assert gone(tmp_path)


@pytest.mark.django_db
@pytest.mark.parametrize("code, how", [
    ("print('so it ended'); raise SystemExit(3)", "code 3"),
    ("print('so it ended', flush=True); os.kill(os.getpid(), 9)", "signal SIGKILL"),
])  # fmt: skip
def test_a_process_that_ends_badly_is_a_dead_worker(tmp_path, code, how):
    claim = PretrainedEmbedder.claim(pretrained_embedder.ask().pk)
    with pytest.raises(WorkerDied, match=f"the sleeping process ended with {how}; .*/log has"):
        subprocesses.supervise(claim, sleeper(tmp_path, code), "sleeping", tmp_path / "log")
    assert (tmp_path / "log").read_text() == "so it ended\n"


def test_what_is_exported_already_is_not_exported_again(row, monkeypatch):
    PretrainedEmbedder.objects.update(state=State.QUEUED)
    monkeypatch.setattr(subprocesses, "supervise", None)
    jobs.perform(PretrainedEmbedder, row.pk, pretrained_embedder.supervise)
    row.refresh_from_db()
    assert row.state == State.DONE


def test_a_process_ends_with_the_one_that_watches_over_it(tmp_path):
    code = (
        "import os, time; from classifier.jobs import subprocesses\n"
        "subprocesses._end_with_parent()\n"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup(); " + code], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    with process:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == -9


# The admin


def test_a_trainer_asks_for_one_and_sees_it(client, member, row):
    client.force_login(member("Trainer"))
    add = reverse("admin:classifier_pretrainedembedder_add")
    page = client.get(add).content.decode()
    assert f"{ARCH} at {SIZE} px, as the settings" in page and "add another" not in page
    page = client.post(add, follow=True).content.decode()
    assert f"Embedder {ARCH} at {SIZE} px is done." in page and "drawn.safetensors" in page
    row.delete()
    page = client.post(add, follow=True).content.decode()
    assert f"Embedder {ARCH} at {SIZE} px is queued." in page
    assert PretrainedEmbedder.objects.get().asked_by.username == "kim"


@pytest.mark.django_db
def test_a_curator_asks_and_does_not_cancel(client, member):
    client.force_login(member("Curator"))
    client.post(reverse("admin:classifier_pretrainedembedder_add"))
    row = PretrainedEmbedder.objects.get()
    cancel = reverse("admin:classifier_pretrainedembedder_cancel", args=[row.pk])
    assert client.post(cancel).status_code == 403
    client.force_login(member(name="nobody"))
    assert client.post(reverse("admin:classifier_pretrainedembedder_add")).status_code == 403
