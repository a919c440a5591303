"""`make run`: what it checks, what it tells supervisor, what it says, and one real run."""

import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.management import call_command
from gunicorn.config import Config
from supervisor.options import ServerOptions

from classifier.inference.concurrency import RETRY_AFTER_SECONDS
from shoeproject.up import checks, news, prepare, processes, programs, start
from shoeproject.up.ready import marker

ROOT = settings.BASE_DIR


@pytest.fixture
def listening():
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# --- checks -----------------------------------------------------------------------------------


def test_a_port_in_use_is_refused_with_one_that_is_free(listening):
    with pytest.raises(checks.PortTaken) as refused:
        checks.port_free("127.0.0.1", listening)
    assert f"Port {listening} on 127.0.0.1 is taken" in refused.value.detail
    assert f"make run PORT={refused.value.free}" in refused.value.detail
    checks.port_free("127.0.0.1", refused.value.free)


def test_a_free_port_stays_free():
    port = free_port()
    checks.port_free("127.0.0.1", port)
    checks.port_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(checks.AddressUnusable) as refused:
        checks.port_free("192.0.2.1", 8000)
    assert "192.0.2.1 port 8000" in refused.value.detail


def test_a_second_run_with_the_same_folder_is_refused(tmp_path):
    checks.writable(tmp_path)
    with checks.hold(tmp_path):
        with pytest.raises(checks.AlreadyRunning) as refused:
            checks.hold(tmp_path)
        assert refused.value.pid == str(os.getpid())
        assert f"kill {os.getpid()}" in refused.value.detail
    checks.hold(tmp_path).close()


def test_the_file_of_a_dead_run_stops_nobody(tmp_path):
    checks.writable(tmp_path)
    # The pid of a living process, as after a restart of the machine.
    (tmp_path / "run" / "up.pid").write_text(str(os.getppid()))
    with checks.hold(tmp_path):
        assert (tmp_path / "run" / "up.pid").read_text() == str(os.getpid())


def test_a_full_disk_is_refused(tmp_path):
    checks.disk_space(tmp_path, 0)
    with pytest.raises(checks.DiskFull) as refused:
        checks.disk_space(tmp_path, 10**12)
    assert "MIN_FREE_MB" in refused.value.detail


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(checks.NotWritable) as refused:
        checks.writable(tmp_path / "file")
    assert str(tmp_path / "file") in refused.value.detail


def test_checking_leaves_no_probe_behind(tmp_path):
    checks.writable(tmp_path)
    assert not list((tmp_path / "run").iterdir())


def test_the_sockets_folder_is_private(tmp_path):
    (tmp_path / "run").mkdir(mode=0o755)
    checks.private_folder(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_sockets_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(checks.NotWritable):
        checks.private_folder(tmp_path / "run")


def test_an_unreachable_database_is_one_line(settings, monkeypatch):
    def refuse():
        raise prepare.DatabaseError("connection refused.\n\tIs the server running?")

    monkeypatch.setattr(prepare.connection, "ensure_connection", refuse)
    with pytest.raises(prepare.DatabaseUnreachable) as refused:
        prepare.database_reachable()
    assert "\n" not in refused.value.detail
    assert "connection refused. DATABASE_URL" in refused.value.detail


# --- what supervisor is told ------------------------------------------------------------------


def supervisor_reads(var: Path, monkeypatch, embedded=True) -> dict:
    """The programs by name as supervisor itself understands the configuration."""
    checks.writable(var)
    broker = Path("/opt/valkey-server") if embedded else None
    for name, value in programs.environment(var, var / "run", "127.0.0.1", 8123, broker).items():
        monkeypatch.setenv(name, value)
    config = var / "run" / "supervisord.conf"
    config.write_text(programs.configuration(embedded))
    options = ServerOptions()
    options.realize(["-c", str(config)], doc="")
    assert options.nodaemon
    return {
        process.name: (group, process)
        for group in options.process_group_configs
        for process in group.process_configs
    }


def test_every_part_restarts_and_is_killed_with_its_children(tmp_path, monkeypatch):
    read = supervisor_reads(tmp_path, monkeypatch)
    assert set(read) == {"broker", "short", "train", "beat", "web"}
    for _, process in read.values():
        assert process.autorestart is not False
        assert process.killasgroup and not process.stopasgroup
        assert process.stdout_logfile == str(tmp_path / "log" / f"{process.name}.log")
        assert process.stdout_logfile_maxbytes and process.redirect_stderr


def test_the_broker_starts_first_and_stops_last(tmp_path, monkeypatch):
    read = supervisor_reads(tmp_path, monkeypatch)
    assert all(read["broker"][0] < read[name][0] for name in ("short", "train", "beat", "web"))
    assert len({id(read[name][0]) for name in ("short", "train", "beat", "web")}) == 1


def test_the_broker_keeps_what_it_was_told_and_listens_on_a_private_socket_only(
    tmp_path, monkeypatch
):
    command = supervisor_reads(tmp_path, monkeypatch)["broker"][1].command
    assert "--port 0" in command
    assert f'--unixsocket "{tmp_path}/run/valkey.sock" --unixsocketperm 700' in command
    assert "--appendonly yes --appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command


def test_each_queue_has_its_worker(tmp_path, monkeypatch):
    read = supervisor_reads(tmp_path, monkeypatch)
    assert "-Q short -n short@%h" in read["short"][1].command
    assert "-Q train -n train@%h" in read["train"][1].command
    assert "--pool solo" in read["train"][1].command


def test_numbers_of_processes_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WEB_PROCESSES", "5")
    monkeypatch.setenv("WEB_THREADS", "9")
    monkeypatch.setenv("SHORT_PROCESSES", "3")
    read = supervisor_reads(tmp_path, monkeypatch)
    assert "--workers 5 --threads 9" in read["web"][1].command
    assert "-c 3 " in read["short"][1].command


def test_threads_of_the_web_server_share_two_heaps(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    read = supervisor_reads(tmp_path, monkeypatch)
    assert read["web"][1].environment == {"MALLOC_ARENA_MAX": "2"}
    assert not read["train"][1].environment


@pytest.mark.parametrize(("said", "used"), [("4", "4"), ('2"', "2"), ("50%", "2"), ("", "2")])
def test_the_number_of_heaps_comes_from_the_environment_and_cannot_stop_the_start(
    tmp_path, monkeypatch, said, used
):
    monkeypatch.setenv("MALLOC_ARENA_MAX", said)
    read = supervisor_reads(tmp_path, monkeypatch)
    assert read["web"][1].environment == {"MALLOC_ARENA_MAX": used}


def gunicorn_reads(words: list[str]) -> dict:
    """Arguments of the web server by name as gunicorn itself understands them."""
    return vars(Config().parser().parse_args(words))


def web_server(var: Path, monkeypatch) -> dict:
    """Those with which it is started here."""
    words = shlex.split(supervisor_reads(var, monkeypatch)["web"][1].command)
    return gunicorn_reads(words[words.index("gunicorn") + 1 :])


def test_refused_clients_find_their_connection_open_and_a_thread_that_refuses(
    tmp_path, monkeypatch, settings
):
    monkeypatch.delenv("WEB_THREADS", raising=False)
    read = web_server(tmp_path, monkeypatch)
    assert read["keepalive"] > RETRY_AFTER_SECONDS
    # One is predicted and these wait, each on a thread of its own.
    assert read["threads"] > 1 + settings.PREDICT_QUEUE


@pytest.mark.parametrize("threads", [None, "9"])
def test_the_image_starts_the_same_web_server(tmp_path, monkeypatch, threads):
    monkeypatch.delenv("WEB_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("WEB_THREADS", threads)
    # Its command is run by a shell that finds a gunicorn which only says what it was given.
    stand_in = tmp_path / "bin" / "gunicorn"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    command = re.search(
        r"^CMD (exec gunicorn (?:.*\\\n)*.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )[1]
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"
    given = subprocess.run(
        ["sh", "-c", command], env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    image, here = gunicorn_reads(given.stdout.splitlines()), web_server(tmp_path, monkeypatch)
    assert image["threads"] == int(threads or 32)
    # A container has its own address, number of processes, time to stop and shared memory.
    for name in ("bind", "workers", "graceful_timeout", "worker_tmp_dir"):
        del image[name], here[name]
    assert image == here


def test_compose_hands_on_every_variable_that_it_explains():
    text = (ROOT / "docker-compose.yml").read_text()
    head, _, body = text.partition("\nname: ")
    explained = {
        name
        for names in re.findall(r"^#     ([A-Z][A-Z0-9_, ]+?)(?:  |$)", head, re.MULTILINE)
        for name in names.split(", ")
    }
    services = yaml.safe_load(text)["services"].values()
    passed = {
        name
        for service in services
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    assert passed | set(re.findall(r"\$\{([A-Z0-9_]+)", body)) == explained


def test_another_broker_replaces_the_embedded_one(tmp_path, monkeypatch):
    assert "broker" not in supervisor_reads(tmp_path, monkeypatch, embedded=False)


def test_names_of_folders_are_not_mistaken_for_syntax(tmp_path, monkeypatch):
    var = tmp_path / "my #1 ;shoes' 100% %(x)s" / "var"
    read = supervisor_reads(var, monkeypatch)
    assert f'"{var}/valkey"' in read["broker"][1].command
    assert read["web"][1].stdout_logfile == str(var / "log" / "web.log")


def test_an_ipv6_address_is_bracketed(tmp_path):
    environment = programs.environment(tmp_path, tmp_path, "::1", 8000, None)
    assert environment["UP_BIND"] == "[::1]:8000"


def test_redis_url_means_no_embedded_broker(settings, monkeypatch):
    settings.REDIS_URL = "redis://broker:6379/0"
    monkeypatch.setattr(start.redis.Redis, "ping", lambda client: True)
    assert start.valkey_server() is None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_named_broker_has_to_answer(settings, scheme):
    settings.REDIS_URL = f"{scheme}://127.0.0.1:{free_port()}/0"
    with pytest.raises(start.BrokerUnreachable) as refused:
        start.valkey_server()
    assert "REDIS_URL" in refused.value.detail and "\n" not in refused.value.detail


def test_a_machine_without_an_embedded_broker_is_told_what_to_set(settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(start.NoBroker) as refused:
        start.valkey_server()
    assert "set REDIS_URL" in refused.value.detail


# --- what people are told ---------------------------------------------------------------------


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """A function that feeds `News` one look at the training worker and returns what it said."""
    checks.writable(tmp_path)
    part = programs.Part("train", "training worker", "")
    site = news.Site("127.0.0.1", 8000, ["localhost"])
    following = news.News(tmp_path, tmp_path, [part], site)

    def look(pid, start=0, ready=False):
        if ready:
            marker(tmp_path, "train").write_text(str(pid))
        following.look({"train": {"pid": pid, "start": start, "statename": "RUNNING"}})
        return capsys.readouterr().out

    look.var = tmp_path
    return look


def test_a_part_is_ready_once_it_says_so(told):
    assert told(0) == told(7, start=100) == ""
    said = told(7, start=100, ready=True)
    assert said.startswith("training worker ready\n")
    assert "Ready: http://127.0.0.1:8000/" in said and "api/v1/docs/" in said
    assert told(7, start=100) == ""


def test_a_death_is_told_and_so_is_the_return(told):
    told(7, start=100, ready=True)
    assert told(0, start=100) == "training worker died; restarting it\n"
    assert told(0, start=100) == told(8, start=103) == ""
    # It is announced in full only once.
    assert told(8, start=103, ready=True) == "training worker ready\n"


def test_a_death_between_two_looks_is_told(told):
    told(7, start=100, ready=True)
    assert told(8, start=101) == "training worker died; restarting it\n"


def test_a_part_that_keeps_dying_is_told_once_with_its_log(told):
    (told.var / "log" / "train.log").write_text("first\nModuleNotFoundError: no such thing\n")
    said = "".join(told(pid, start=100 + pid) for pid in range(1, 20))
    assert said.count("restarting it") == 2
    assert said.count("keeps dying") == said.count("no such thing") == 1


def test_a_part_that_does_not_come_up_is_told_with_its_log(told, monkeypatch):
    (told.var / "log" / "train.log").write_text("waiting for Godot\n")
    monkeypatch.setattr(news, "START_SECONDS", -1)
    said = told(7, start=100)
    assert "training worker is not up" in said and "waiting for Godot" in said


@pytest.mark.parametrize(
    ("host", "allowed", "address", "name"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"], "http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("0.0.0.0", ["*"], "http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("0.0.0.0", [".shoes.example"], "http://127.0.0.1:8000/", "shoes.example"),
        ("::1", ["[::1]"], "http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_the_site_is_asked_under_a_name_it_knows(host, allowed, address, name):
    site = news.Site(host, 8000, allowed)
    assert (site.address, site.name) == (address, name)


def test_who_opens_the_site_to_others_is_told_about_its_names(tmp_path, capsys):
    for host, named in (("127.0.0.1", False), ("0.0.0.0", True)):
        site = news.Site(host, 8000, ["localhost", "shoes.example"])
        news.News(tmp_path, tmp_path, [], site).look({})
        assert ("localhost, shoes.example alone" in capsys.readouterr().out) == named


# --- what is prepared -------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_account_is_made_once(settings):
    name, password = prepare.first_account()
    user = authenticate(username=name, password=password)
    assert name == "admin" and user.is_superuser and user.is_staff
    assert prepare.first_account() is None


@pytest.mark.django_db
def test_the_first_account_takes_no_account_from_anybody(django_user_model):
    django_user_model.objects.create_user("admin", password="mine")
    name, _ = prepare.first_account()
    assert name == "admin1"
    assert authenticate(username="admin", password="mine")


@pytest.mark.django_db
def test_admin_password_makes_a_missing_account(capsys):
    call_command("admin_password")
    name, password = capsys.readouterr().out.strip().split(": ")
    assert authenticate(username=name, password=password).is_superuser


@pytest.mark.django_db
def test_admin_password_keeps_the_rights_of_an_account(capsys, member):
    member("Curator", name="kim")
    call_command("admin_password", "kim")
    user = authenticate(username="kim", password=capsys.readouterr().out.strip().split(": ")[1])
    assert not user.is_superuser
    assert [group.name for group in user.groups.all()] == ["Curator"]


def test_static_files_are_collected_when_they_changed(settings, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "site.css").write_text("a {}")
    checks.writable(tmp_path)
    settings.VAR_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    manifest = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": manifest}}
    assert prepare.static_files()
    assert not prepare.static_files()
    (source / "site.css").write_text("a { color: red }")
    assert prepare.static_files()
    (source / "site.css").write_text('a { background: url("missing.png") }')
    with pytest.raises(prepare.StepFailed) as refused:
        prepare.static_files()
    assert "missing.png" in refused.value.detail and "\n" not in refused.value.detail
    assert "Traceback" in (tmp_path / "log" / "up.log").read_text()


# --- the real thing ---------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)


def environment(var: Path) -> dict[str, str]:
    """A user's environment: none of the tests' own settings, everything below `var`."""
    ours = {
        "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "CACHE_URL", "S3_BUCKET",
        "ALLOWED_HOSTS", "CACHE_DIR",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"VAR_DIR": str(var), "WEB_PROCESSES": "1", "MIN_FREE_MB": "1"}


def until(true, seconds=60):
    """Wait until `true()` is, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def alive(var: Path) -> dict[int, str]:
    """Every process that was given `var` in its environment: pid → command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(var) in (entry / "environ").read_text(errors="replace"):
                command = (entry / "cmdline").read_text(errors="replace").replace("\0", " ")
                if command:  # a zombie has none
                    found[int(entry.name)] = command
        except OSError:
            continue
    return found


class Started:
    """`manage.py up` in a process group of its own, with what it printed."""

    def __init__(self, var: Path):
        self.var, self.port, self.said = var, free_port(), ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=ROOT,
            env=environment(var),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.said += line

    def until_said(self, text: str, times=1):
        def heard():
            assert self.process.poll() is None or self.said.count(text) >= times, self.said
            return self.said.count(text) >= times

        until(heard, 90)

    def health(self) -> dict | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/", timeout=5) as it:
                return json.load(it)
        except (OSError, urllib.error.URLError):
            return None

    def kill_part(self, words: str) -> int:
        """SIGKILL the main process whose command line holds `words`."""
        pid = min(pid for pid, command in alive(self.var).items() if words in command)
        os.kill(pid, signal.SIGKILL)
        return pid

    def workers(self) -> int:
        """How many workers answer a ping."""
        answer = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "shoeproject", "inspect", "ping", "-t", "2"],
            cwd=ROOT, env=environment(self.var), capture_output=True, text=True,
        )  # fmt: skip
        return answer.stdout.count("pong")

    def asked_to_stop(self, number) -> int:
        """Signal the group, as a terminal does; wait for the end and return the exit status."""
        os.killpg(self.process.pid, number)
        return self.process.wait(30)


@pytest.fixture
def running(tmp_path):
    """A function that starts everything for one folder; whatever is left is killed at the end."""
    var = tmp_path / "my shoes 100%" / "var"
    yield lambda: Started(var)
    for pid in alive(var):
        os.kill(pid, signal.SIGKILL)


@needs_proc
def test_everything_starts_heals_and_stops(running):
    run = running()
    run.until_said("Press Ctrl-C to stop.")
    password = re.search(r"Administrator: admin   password: (\S+)", run.said)
    assert password and run.said.count(password[1]) == 1
    assert run.health()["status"] == "ok"

    run.kill_part("valkey-server")
    run.until_said("broker died")
    run.until_said("broker ready", times=2)
    until(lambda: (run.health() or {}).get("status") == "ok")
    until(lambda: run.workers() == 2)

    run.kill_part("-Q short")
    run.until_said("short-task worker ready", times=2)
    until(lambda: run.workers() == 2)

    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(free_port())],
        cwd=ROOT, env=environment(run.var), capture_output=True, text=True,
    )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("Cannot start: It already runs")
    assert second.stderr.count("\n") == 1

    asked = time.monotonic()
    assert run.asked_to_stop(signal.SIGINT) == 0
    assert time.monotonic() - asked < 15
    assert alive(run.var) == {}
    until(lambda: run.said.endswith("stopping ...\nstopped\n"), 5)


@needs_proc
def test_a_killed_run_is_cleared_away_by_the_next_one(running):
    killed = running()
    killed.until_said("Press Ctrl-C to stop.")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.kill_part("supervisor.supervisord")
    left = set(alive(killed.var))
    assert left

    run = running()
    run.until_said("Press Ctrl-C to stop.")
    assert "stopping what an earlier run left behind" in run.said
    assert "password" not in run.said
    assert not left & set(alive(run.var))
    assert run.asked_to_stop(signal.SIGTERM) == 0
    assert alive(run.var) == {}


@needs_proc
def test_ending_reaches_a_process_in_a_session_of_its_own_that_ignores_being_asked(tmp_path):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    stubborn = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)"],
        env=os.environ | {processes.MARK: str(tmp_path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    stubborn.stdout.readline()
    assert not processes.end(tmp_path / "another", patience=0)
    assert processes.end(tmp_path, patience=0.5)
    assert stubborn.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MIN_FREE_MB": "1000000000"}, "MB are free"),
        ({"MIN_FREE_MB": "plenty"}, "the settings cannot be used"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all/db"}, "database cannot be reached"),
        ({"VAR_DIR": str(ROOT / "manage.py" / "var")}, "Cannot write to"),
    ],
)
def test_what_stands_in_the_way_is_said_in_one_line(tmp_path, changes, words):
    failed = subprocess.run(
        [sys.executable, "-m", "shoeproject.up", "--port", str(free_port())],
        cwd=ROOT, env=environment(tmp_path) | changes, capture_output=True, text=True,
    )  # fmt: skip
    assert failed.returncode == 1
    assert failed.stderr.startswith("Cannot start: ") and words in failed.stderr
    assert failed.stderr.count("\n") == 1
