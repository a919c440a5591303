"""The programs of a run, as supervisor's configuration.

The configuration refers to paths and numbers as environment variables: supervisor's file format has
no quoting, so a folder named `my #1 100% shoes` would be read as a comment and a format character.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Seconds a program has to stop before it is killed; most of them are for a training process.
STOP_SECONDS = 12

_HEAD = """\
[unix_http_server]
file=%(ENV_UP_SOCKETS)s/super.sock
chmod=0700

[supervisord]
nodaemon=true
silent=true
logfile=%(ENV_UP_VAR)s/log/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile=%(ENV_UP_VAR)s/run/supervisord.pid
childlogdir=%(ENV_UP_VAR)s/log

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# Only the leader of a process group gets the stop signal (stopasgroup is off): to Celery's main
# process it means "finish the current tasks", but pool processes would die of it. SIGKILL goes to
# the whole group. Retries never run out: a program that failed for an hour, because of a full disk
# say, starts again when the cause is gone.
_PROGRAM = """\
[program:{name}]
command={command}
environment={environment}
autorestart=true
startsecs=2
startretries=1000000
stopsignal=TERM
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=%(ENV_UP_LOGS)s/{name}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""

# Groups stop one after the other, the highest priority first, and the programs of a group together:
# the broker stops last.
_APP_GROUP = """\
[group:app]
programs={apps}
priority=20
"""
_BROKER_GROUP = """\
[group:embedded]
programs=broker
priority=10
"""


@dataclass(frozen=True)
class Program:
    """One program: its name, its title in messages, its command line and additional environment.

    The last two are in supervisor's format.
    """

    name: str
    title: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)


# The append-only file is off by default, and the snapshots made instead can lose minutes.
# The process title stays: setting it overwrites the environment by which a run is found.
_BROKER = Program(
    "broker",
    "broker",
    '"%(ENV_UP_VALKEY)s" --port 0 --unixsocket "%(ENV_UP_SOCKETS)s/valkey.sock"'
    ' --unixsocketperm 700 --dir "%(ENV_UP_VAR)s/valkey" --save "" --appendonly yes'
    " --appendfsync everysec --maxmemory-policy noeviction --set-proc-title no",
)


def _celery(name: str, title: str, options: str) -> Program:
    return Program(name, title, f'"%(ENV_UP_PYTHON)s" -m celery -A shoeproject {options}')


def _worker(name: str, title: str, options: str) -> Program:
    # No gossip and no mingle: with two workers they only delay the start by a second.
    return _celery(
        name,
        title,
        f"worker -Q {name} -n {name}@%%h -I shoeproject.up.readiness --loglevel INFO"
        f" --without-gossip --without-mingle {options}",
    )


def all_programs(embedded_broker: bool) -> list[Program]:
    """Return the programs of a run, in the order in which they start."""
    return [
        *([_BROKER] if embedded_broker else []),
        # Its processes are replaced now and then, because image libraries leak memory.
        _worker(
            "short", "short-task worker", "-c %(ENV_UP_SHORT_PROCESSES)s --max-tasks-per-child 200"
        ),
        _worker("train", "training worker", "--pool solo"),
        # Without a pid file: one left by a killed scheduler would prevent the next start.
        _celery("beat", "scheduler", "beat --pidfile= --loglevel INFO"),
        # --keep-alive is longer than the Retry-After of a refused photo, so that the client that
        # tries again can use the same connection.
        Program(
            "web",
            "web server",
            '"%(ENV_UP_PYTHON)s" -m gunicorn shoeproject.wsgi --bind "%(ENV_UP_BIND)s"'
            " --worker-class gthread --workers %(ENV_UP_WEB_PROCESSES)s"
            " --threads %(ENV_UP_WEB_THREADS)s --timeout 60"
            " --graceful-timeout 6 --keep-alive 15"
            ' --worker-tmp-dir "%(ENV_UP_HEARTBEATS)s" --no-control-socket',
            # By default each thread may have a heap of its own, each with memory of past photos.
            {"MALLOC_ARENA_MAX": "%(ENV_UP_ARENAS)s"},
        ),
    ]


def configuration(embedded_broker: bool) -> str:
    """Return the text of supervisord.conf."""
    listed = all_programs(embedded_broker)
    apps = ",".join(program.name for program in listed if program.name != "broker")
    sections = [
        _PROGRAM.format(
            name=program.name,
            command=program.command,
            environment=",".join(
                f'{name}="{value}"' for name, value in program.environment.items()
            ),
            stop_seconds=STOP_SECONDS,
        )
        for program in listed
    ]
    broker_group = [_BROKER_GROUP] if embedded_broker else []
    return "\n".join([_HEAD, *sections, _APP_GROUP.format(apps=apps), *broker_group])


def environment(
    var: Path, sockets: Path, host: str, port: int, valkey: Path | None
) -> dict[str, str]:
    """Return this process's environment with the variables that the configuration refers to.

    Reads WEB_PROCESSES (default: one per core), WEB_THREADS (of each process; default: 32),
    MALLOC_ARENA_MAX (of each web process; default: 2) and SHORT_PROCESSES (default: 2, so that an
    assessment of many images leaves one free).
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    shared_memory = Path("/dev/shm")
    arenas = os.environ.get("MALLOC_ARENA_MAX", "")
    return os.environ | {
        "UP_VAR": str(var),
        # Supervisor expands this variable twice.
        "UP_LOGS": str(var / "log").replace("%", "%%"),
        "UP_SOCKETS": str(sockets),
        "UP_PYTHON": sys.executable,
        "UP_VALKEY": str(valkey or ""),
        "UP_BIND": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "UP_WEB_PROCESSES": os.environ.get("WEB_PROCESSES") or str(cores),
        "UP_WEB_THREADS": os.environ.get("WEB_THREADS") or "32",
        # Supervisor parses a program's environment after inserting this: a quote would end it.
        "UP_ARENAS": arenas if arenas.isdecimal() else "2",
        "UP_SHORT_PROCESSES": os.environ.get("SHORT_PROCESSES") or "2",
        # Web processes touch a file every second; a busy disk could stall them.
        "UP_HEARTBEATS": str(shared_memory if shared_memory.is_dir() else var / "run"),
        "VAR_DIR": str(var),
        "PYTHONUNBUFFERED": "1",
    }
