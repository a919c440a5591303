"""Checks before the start of `make run`, each refused with a one-line message."""

import os
import socket
import stat

import pytest

from shoeproject.up import checks, start
from tests.ports import free_port


@pytest.fixture
def listening():
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


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
    with checks.lock(tmp_path):
        with pytest.raises(checks.AlreadyRunning) as refused:
            checks.lock(tmp_path)
        assert refused.value.pid == str(os.getpid())
        assert f"kill {os.getpid()}" in refused.value.detail
    checks.lock(tmp_path).close()


def test_the_lock_file_of_a_dead_run_does_not_prevent_a_start(tmp_path):
    checks.writable(tmp_path)
    # The pid of a living process, as after a restart of the machine.
    (tmp_path / "run" / "up.pid").write_text(str(os.getppid()))
    with checks.lock(tmp_path):
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


def test_redis_url_means_no_embedded_broker(settings, monkeypatch):
    settings.REDIS_URL = "redis://broker:6379/0"
    monkeypatch.setattr(start.redis.Redis, "ping", lambda client: True)
    assert start.valkey_server() is None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_the_broker_of_redis_url_has_to_answer(settings, scheme):
    settings.REDIS_URL = f"{scheme}://127.0.0.1:{free_port()}/0"
    with pytest.raises(start.BrokerUnreachable) as refused:
        start.valkey_server()
    assert "REDIS_URL" in refused.value.detail and "\n" not in refused.value.detail


def test_without_an_embedded_broker_the_error_names_the_setting(settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(start.NoBroker) as refused:
        start.valkey_server()
    assert "set REDIS_URL" in refused.value.detail
