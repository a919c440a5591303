"""The parts of a run, as supervisor's configuration.

Paths and numbers reach it as environment variables: supervisor's file format knows no quoting, and
a folder named `my #1 100% shoes` would end up as a comment and a format character.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Seconds a part has to stop before it is killed; a training process has most of them to end itself.
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

# Only the leader of a group is asked to stop (stopasgroup is off): Celery's pool processes die of
# a signal that its main process takes as "finish what you do". Killing means the whole group.
# Retries never run out: what fails for an hour, on a full disk say, comes back by itself after it.
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

# Groups stop one after the other, the highest priority first, and the parts of one group together:
# the broker stays until nobody needs it.
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
class Part:
    """One program: its name, how people call it, its command line and what it finds in its
    environment beside what all have, both as supervisor reads them."""

    name: str
    title: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)


def _broker() -> Part:
    # The append-only file is off by default, and the snapshot it would keep instead loses minutes.
    # The title stays as it is because setting it wipes the environment by which a run is found.
    return Part(
        "broker",
        "broker",
        '"%(ENV_UP_VALKEY)s" --port 0 --unixsocket "%(ENV_UP_SOCKETS)s/valkey.sock"'
        ' --unixsocketperm 700 --dir "%(ENV_UP_VAR)s/valkey" --save "" --appendonly yes'
        " --appendfsync everysec --maxmemory-policy noeviction --set-proc-title no",
    )


def _celery(name: str, title: str, options: str) -> Part:
    return Part(name, title, f'"%(ENV_UP_PYTHON)s" -m celery -A shoeproject {options}')


def _worker(name: str, title: str, options: str) -> Part:
    # No gossip and no mingle: with two workers they only delay the start by a second.
    return _celery(
        name,
        title,
        f"worker -Q {name} -n {name}@%%h -I shoeproject.up.ready --loglevel INFO"
        f" --without-gossip --without-mingle {options}",
    )


def parts(embedded_broker: bool) -> list[Part]:
    """What runs, in the order in which it starts."""
    return [
        *([_broker()] if embedded_broker else []),
        # Its process is replaced now and then, so that what image libraries leak is returned.
        _worker(
            "short", "short-task worker", "-c %(ENV_UP_SHORT_PROCESSES)s --max-tasks-per-child 200"
        ),
        _worker("train", "training worker", "--pool solo"),
        # Its pid file would only get in the way after a kill.
        _celery("beat", "scheduler", "beat --pidfile= --loglevel INFO"),
        # --keep-alive is longer than the seconds after which a photo that was refused may be sent
        # again: a client that waits as it was told finds its connection still open then.
        Part(
            "web",
            "web server",
            '"%(ENV_UP_PYTHON)s" -m gunicorn shoeproject.wsgi --bind "%(ENV_UP_BIND)s"'
            " --worker-class gthread --workers %(ENV_UP_WEB_PROCESSES)s"
            " --threads %(ENV_UP_WEB_THREADS)s --timeout 60"
            " --graceful-timeout 6 --keep-alive 15"
            ' --worker-tmp-dir "%(ENV_UP_HEARTBEATS)s" --no-control-socket',
            # By default each thread may keep a heap of its own, and in each lies what photos left.
            {"MALLOC_ARENA_MAX": "%(ENV_UP_ARENAS)s"},
        ),
    ]


def configuration(embedded_broker: bool) -> str:
    """The text of supervisord.conf."""
    listed = parts(embedded_broker)
    apps = ",".join(part.name for part in listed if part.name != "broker")
    sections = [
        _PROGRAM.format(
            name=part.name,
            command=part.command,
            environment=",".join(f'{name}="{value}"' for name, value in part.environment.items()),
            stop_seconds=STOP_SECONDS,
        )
        for part in listed
    ]
    groups = [_APP_GROUP.format(apps=apps), *([_BROKER_GROUP] if embedded_broker else [])]
    return "\n".join([_HEAD, *sections, *groups])


def environment(var: Path, sockets: Path, host: str, port: int, valkey: Path | None) -> dict:
    """What the configuration refers to, on top of this process's environment.

    WEB_PROCESSES (default: one per core), WEB_THREADS (of each process; default: 32),
    MALLOC_ARENA_MAX (of each web process; default: 2) and SHORT_PROCESSES (default: 2, so that an
    assessment of many images leaves one free) are read from there.
    """
    shared_memory = Path("/dev/shm")
    arenas = os.environ.get("MALLOC_ARENA_MAX", "")
    return os.environ | {
        "UP_VAR": str(var),
        # Supervisor expands this one twice.
        "UP_LOGS": str(var / "log").replace("%", "%%"),
        "UP_SOCKETS": str(sockets),
        "UP_PYTHON": sys.executable,
        "UP_VALKEY": str(valkey or ""),
        "UP_BIND": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "UP_WEB_PROCESSES": os.environ.get("WEB_PROCESSES") or str(_cores()),
        "UP_WEB_THREADS": os.environ.get("WEB_THREADS") or "32",
        # Supervisor parses a part's environment once this stands in it: a quote would end it there.
        "UP_ARENAS": arenas if arenas.isdecimal() else "2",
        "UP_SHORT_PROCESSES": os.environ.get("SHORT_PROCESSES") or "2",
        # Web processes touch a file every second; on a busy disk that can stall them.
        "UP_HEARTBEATS": str(shared_memory if shared_memory.is_dir() else var / "run"),
        "VAR_DIR": str(var),
        "PYTHONUNBUFFERED": "1",
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
