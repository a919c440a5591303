"""Secret key and socket path of an installation on one machine."""

import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shoeproject import local


def test_the_secret_key_is_created_once_and_only_its_owner_can_read_it(tmp_path):
    key = local.secret_key(tmp_path / "var")
    assert len(key) > 50
    assert local.secret_key(tmp_path / "var") == key
    assert stat.S_IMODE((tmp_path / "var" / "secret-key").stat().st_mode) == 0o600


def test_another_installation_has_another_key(tmp_path):
    assert local.secret_key(tmp_path / "a") != local.secret_key(tmp_path / "b")


def test_processes_that_start_together_agree_on_the_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(local.secret_key, [tmp_path] * 8))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_the_socket_lies_under_var():
    assert local.socket_path(Path("/srv/var")) == Path("/srv/var/run/valkey.sock")


def test_a_socket_path_too_long_for_the_system_is_replaced_by_a_short_one():
    var = Path("/srv") / ("deep/" * 30) / "var"
    path = local.socket_path(var)
    assert len(str(path)) <= local.MAX_SOCKET_PATH
    assert path == local.socket_path(var)
    assert path != local.socket_path(var.parent)


def test_the_longest_path_that_fits_is_used():
    name = "x" * (local.MAX_SOCKET_PATH - len("/srv//run/valkey.sock"))
    assert local.socket_path(Path("/srv") / name).parent == Path("/srv") / name / "run"
    assert local.socket_path(Path("/srv") / (name + "x")).parent != Path("/srv") / name / "run"


def test_a_path_that_would_mean_something_else_in_a_url_is_replaced():
    for name in ("with#hash", "ques?tion", "semi;colon", "perc%ent", "schön"):
        assert local.socket_path(Path("/srv") / name).parent.parent == Path(tempfile.gettempdir())
    assert local.socket_path(Path("/srv/a b")) == Path("/srv/a b/run/valkey.sock")
