"""The whole loop with real parts: pictures → snapshot → training by a worker → judged → promoted →
answered. Everything runs as `make run` runs it, and is killed on the way.

It runs in processes of its own, on a database and a folder of its own.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from PIL import Image

from tests.shape_drawings import draw

ROOT = settings.BASE_DIR
LABELS = {"uggs": "disc", "mules": "ring", "loafers": "bars"}
RECIPE = [
    "--set", "arch=resnet18", "--set", "start=scratch", "--set", "size=48", "--set", "rounds=4",
    "--set", "images_per_epoch=240", "--set", "batch_size=8", "--set", "threads=1",
    "--set", "workers=1", "--set", "lr=0.005",
]  # fmt: skip
EPOCHS = 5
PATIENCE = 240


@pytest.fixture(scope="module")
def installation():
    """An installation of the project, up and running."""
    var = Path("/tmp") / f"loop-{uuid.uuid4().hex[:8]}"
    var.mkdir()
    with scratch_database(var) as database:
        yield from running(Installation(var, database))
    shutil.rmtree(var, ignore_errors=True)


class scratch_database:  # noqa: N801 - reads as what it is in a `with`
    """Its URL; on PostgreSQL a database that is dropped afterwards."""

    def __init__(self, var: Path):
        self.var = var

    def _run(self, sql: str):
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql)

    def __enter__(self) -> str:
        if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
            return f"sqlite:///{self.var / 'db.sqlite3'}"
        self.name = self.var.name.replace("-", "_")
        self._run(f"CREATE DATABASE {self.name}")
        return os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{self.name}"

    def __exit__(self, *error):
        if hasattr(self, "name"):
            self._run(f"DROP DATABASE {self.name} WITH (FORCE)")


class Installation:
    """Runs the project's commands and its processes."""

    def __init__(self, var: Path, database: str):
        self.var, self.database, self.port = var, database, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "shoeproject.settings",
            "VAR_DIR": str(var),
            "DATABASE_URL": database,
            "JOB_LEASE_SECONDS": "6",
            "JOB_TICK_SECONDS": "0.5",
            "JOB_RING_SECONDS": "2",
            "MODEL_POLL_SECONDS": "0.2",
            "WEB_PROCESSES": "1",
            "PRETRAINED_WEIGHTS": "",
            "CELERY_BROKER_PREFIX": f"{var.name}:",
        }

    def manage(self, *arguments: str, ok: bool = True) -> str:
        """Run a management command and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout

    def rows(self, sql: str) -> list[tuple]:
        """Ask the installation's database."""
        if self.database.startswith("sqlite"):
            connect = sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=30)
        else:
            connect = psycopg.connect(self.database)
        with contextlib.closing(connect) as connection:
            return connection.execute(sql).fetchall()

    def value(self, sql: str):
        """The only column of the only row."""
        return self.rows(sql)[0][0]

    def pids(self, words: str) -> list[int]:
        """Processes of this installation whose command line holds `words`, oldest first."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal() or int(folder.name) == os.getpid():
                continue
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                mine = f"VAR_DIR={self.var}".encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            # A forked child inherits what its parent's environment was, so this finds them too.
            if words in line and (mine or str(self.var) in line):
                found.append(int(folder.name))
        return sorted(found)

    def kill(self, words: str) -> None:
        """kill -9 the oldest process whose command line holds `words`."""
        until(lambda: self.pids(words), f"a process “{words}”")
        os.kill(self.pids(words)[0], signal.SIGKILL)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=20) as response:
            return json.load(response)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def running(installation):
    """Start it, hand it over, stop it with Ctrl-C, and see that nothing is left."""
    log = open(installation.var / "up.txt", "wb")  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-m", "shoeproject.up", "--port", str(installation.port)],
        cwd=ROOT, env=installation.env, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: healthy(installation), "the web server", process)
        yield installation
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        log.close()
    assert process.returncode == 0, (installation.var / "up.txt").read_text()
    until(lambda: not installation.pids(""), "the end of every process", seconds=20)


def healthy(installation) -> bool:
    try:
        installation.get("/health/")
    except OSError:
        return False
    return True


def until(true, what: str, process=None, seconds: float = PATIENCE):
    """Wait until `true()` holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        assert process is None or process.poll() is None, f"it ended while waiting for {what}"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def photos(installation):
    folder = installation.var / "photos"
    for label, shape in LABELS.items():
        (folder / label).mkdir(parents=True)
        for number in range(60):
            large = draw(shape, number).resize((288, 240), Image.Resampling.LANCZOS)
            large.save(folder / label / f"{number}.jpg", quality=90)
    assert "180 added" in installation.manage("import_images", str(folder), "--keep-copies")
    installation.manage("snapshot", "drawn", "--min-size", "100")
    return folder


def epochs_of(run: int) -> str:
    return (
        "SELECT number, train_loss, valid_loss, accuracy FROM classifier_epoch "
        f"WHERE run_id = {run} ORDER BY number"
    )


def done(installation, run: int) -> bool:
    sql = f"SELECT state, error FROM classifier_trainingrun WHERE id = {run}"
    state, error = installation.rows(sql)[0]
    assert state not in ("failed", "cancelled"), error
    return state == "done"


def weights_of(installation, run: int) -> str:
    card = installation.value(f"SELECT card FROM classifier_modelversion WHERE run_id = {run}")
    card = json.loads(card) if isinstance(card, str) else card
    return card["files"]["weights.safetensors"]["sha256"]


def version_of(installation, run: int) -> str:
    """The number of the version that a run made."""
    sql = f"SELECT id FROM classifier_modelversion WHERE run_id = {run}"
    return str(installation.value(sql))


def test_a_run_killed_three_ways_gives_the_model_an_undisturbed_run_gives(installation, photos):
    installation.manage("train", "--snapshot", "drawn", *RECIPE)

    def epochs(number):
        """Wait for `number` finished epochs and a little into the next."""
        until(lambda: len(installation.rows(epochs_of(1))) >= number, f"{number} epochs")
        time.sleep(0.5)

    epochs(1)
    installation.kill("manage.py train --run 1")
    epochs(2)
    installation.kill("-n train@")
    until(lambda: not installation.pids("train --run 1 --attempt 2"), "the orphan's end")
    epochs(3)
    if not os.environ.get("REDIS_URL"):
        installation.kill("valkey-server")
    until(lambda: done(installation, 1), "the run's end")

    assert [row[0] for row in installation.rows(epochs_of(1))] == list(range(EPOCHS))
    versions = "SELECT count(*) FROM classifier_modelversion WHERE run_id = 1"
    assert installation.value(versions) == 1
    attempts = installation.value("SELECT attempt FROM classifier_trainingrun WHERE id = 1")
    assert attempts >= 3, "it was killed, so it was taken up again"

    installation.manage("train", "--snapshot", "drawn", *RECIPE, "--wait")
    assert installation.rows(epochs_of(2)) == installation.rows(epochs_of(1))
    assert weights_of(installation, 1) == weights_of(installation, 2)
    left = list((installation.var / "models" / "checkpoints").glob("run-*/*"))
    assert left == [], "checkpoints of finished runs are removed"


def test_the_version_is_judged_promoted_and_answers(installation, photos):
    judged = "SELECT count(*) FROM classifier_evaluation WHERE state = 'done'"
    until(lambda: installation.value(judged) == 2, "the short worker's evaluations")
    first, second = (version_of(installation, run) for run in (1, 2))
    figures = installation.manage("evaluate", first, "--snapshot", "drawn")
    assert float(figures.lstrip("<>").partition("%")[0]) > 90, figures
    # Until another one is promoted, the model that comes with the project answers.
    starter = post(installation, photos / "uggs" / "0.jpg")["model"]["version"]
    card = (ROOT / "classifier" / "starter" / "card.json").read_bytes()
    assert hashlib.sha256(card).hexdigest().startswith(starter)

    assert "promoted" in installation.manage("promote", first)
    files = [str(photos / label / "7.jpg") for label in LABELS]
    lines = installation.manage("predict", *files).splitlines()

    def followed() -> bool:
        asked = [post(installation, photos / "uggs" / "7.jpg") for _ in range(4)]
        return all(answer["model"]["version"] != starter for answer in asked)

    until(followed, "the web processes to follow")
    for label, line in zip(LABELS, lines, strict=True):
        by_command = json.loads(line)
        by_api = post(installation, photos / label / "7.jpg")
        assert by_api["top"][0]["slug"] == by_command["top"][0]["slug"] == label
        assert by_api["top"] == by_command["top"]

    installation.manage("promote", second)
    assert "rolled back" in installation.manage("rollback")
    learnt = {row["slug"] for row in installation.get("/api/v1/types/") if row["learnt"]}
    assert learnt == set(LABELS)


def test_no_process_but_the_training_one_imports_torch(installation, photos):
    """Looked up in what each living process has mapped into its memory."""
    torchless = [*installation.pids("gunicorn"), *installation.pids("celery")]
    assert len(torchless) >= 5, "web, workers and beat"
    for pid in torchless:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "libtorch" not in maps, Path(f"/proc/{pid}/cmdline").read_text()


def post(installation, file: Path) -> dict:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(
        f"{installation.url}/api/v1/predictions/",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)
