"""A real cache server for tests, and one that is dead."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis
from django.core.cache import cache

from shoeproject.api import optional_cache
from shoeproject.up.start import valkey_server


def at(socket) -> dict:
    """The project's cache, on this socket."""
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"unix://{socket}?db=1",
            "KEY_PREFIX": "shoes",
            "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 3},
        }
    }


@pytest.fixture(scope="session")
def valkey():
    """The socket of a server of our own."""
    binary = valkey_server()
    if binary is None:
        pytest.skip("no Valkey server for this machine")
    folder = Path(tempfile.mkdtemp(prefix="v-"))  # a socket's path must be short
    socket = folder / "s"
    command = [binary, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
    server = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while "Ready to accept" not in (line := server.stdout.readline()):
        assert line, "the server did not start"
    yield socket
    server.terminate()
    server.wait()
    shutil.rmtree(folder)


@pytest.fixture
def real_cache(valkey, settings):
    """The project's cache as in production; returns a client of the server."""
    settings.CACHES = at(valkey)
    cache.clear()
    optional_cache.reset()
    return redis.Redis(unix_socket_path=str(valkey), db=1)


@pytest.fixture
def dead_cache(settings, tmp_path):
    """A cache whose server is gone."""
    settings.CACHES = at(tmp_path / "gone")
    optional_cache.reset()
    yield
    optional_cache.reset()
