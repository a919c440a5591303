"""The programs of `make run`, as supervisor reads their configuration."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from gunicorn.config import Config
from supervisor.options import ServerOptions

from classifier.inference.concurrency import RETRY_AFTER_SECONDS
from shoeproject.up import checks, programs

ROOT = settings.BASE_DIR


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


def test_every_program_restarts_and_is_killed_with_its_children(tmp_path, monkeypatch):
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


def test_the_broker_persists_its_data_and_listens_on_a_private_socket_only(tmp_path, monkeypatch):
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


@pytest.mark.parametrize(("value", "used"), [("4", "4"), ('2"', "2"), ("50%", "2"), ("", "2")])
def test_the_number_of_heaps_comes_from_the_environment_and_cannot_stop_the_start(
    tmp_path, monkeypatch, value, used
):
    monkeypatch.setenv("MALLOC_ARENA_MAX", value)
    read = supervisor_reads(tmp_path, monkeypatch)
    assert read["web"][1].environment == {"MALLOC_ARENA_MAX": used}


def gunicorn_reads(arguments: list[str]) -> dict:
    """Arguments of the web server by name as gunicorn itself understands them."""
    return vars(Config().parser().parse_args(arguments))


def web_server(var: Path, monkeypatch) -> dict:
    """The arguments with which `make run` starts it."""
    words = shlex.split(supervisor_reads(var, monkeypatch)["web"][1].command)
    return gunicorn_reads(words[words.index("gunicorn") + 1 :])


def test_refused_clients_can_retry_on_their_connection_and_a_thread_is_left_to_refuse(
    tmp_path, monkeypatch, settings
):
    monkeypatch.delenv("WEB_THREADS", raising=False)
    read = web_server(tmp_path, monkeypatch)
    assert read["keepalive"] > RETRY_AFTER_SECONDS
    # One photo is predicted while these wait, each on a thread of its own.
    assert read["threads"] > 1 + settings.PREDICT_QUEUE


@pytest.mark.parametrize("threads", [None, "9"])
def test_the_image_starts_the_same_web_server(tmp_path, monkeypatch, threads):
    monkeypatch.delenv("WEB_THREADS", raising=False)
    if threads:
        monkeypatch.setenv("WEB_THREADS", threads)
    # A shell runs the image's command with a gunicorn that only prints its arguments.
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


def test_compose_passes_on_every_variable_that_it_explains():
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
