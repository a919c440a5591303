"""What `make run` prints about its programs: ready, late, died, dies again and again."""

import pytest

from shoeproject.up import checks, monitor, programs
from shoeproject.up.monitor import Monitor, Site
from shoeproject.up.readiness import ready_file


@pytest.fixture
def printed(tmp_path, capsys):
    """A function that gives `Monitor` one state of the training worker; returns what it prints."""
    checks.writable(tmp_path)
    worker = programs.Program("train", "training worker", "")
    site = Site("127.0.0.1", 8000, ["localhost"])
    following = Monitor(tmp_path, tmp_path, [worker], site)

    def update(pid, start=0, ready=False):
        if ready:
            ready_file(tmp_path, "train").write_text(str(pid))
        following.update({"train": {"pid": pid, "start": start, "statename": "RUNNING"}})
        return capsys.readouterr().out

    update.var = tmp_path
    return update


def test_a_worker_is_reported_ready_once_its_ready_file_holds_its_pid(printed):
    assert printed(0) == printed(7, start=100) == ""
    text = printed(7, start=100, ready=True)
    assert text.startswith("training worker ready\n")
    assert "Ready: http://127.0.0.1:8000/" in text and "api/v1/docs/" in text
    assert printed(7, start=100) == ""


def test_a_death_and_the_restart_are_reported(printed):
    printed(7, start=100, ready=True)
    assert printed(0, start=100) == "training worker died; restarting it\n"
    assert printed(0, start=100) == printed(8, start=103) == ""
    # The addresses are printed only once.
    assert printed(8, start=103, ready=True) == "training worker ready\n"


def test_a_death_between_two_updates_is_reported(printed):
    printed(7, start=100, ready=True)
    assert printed(8, start=101) == "training worker died; restarting it\n"


def test_a_program_that_keeps_dying_is_reported_once_with_its_log(printed):
    (printed.var / "log" / "train.log").write_text("first\nModuleNotFoundError: no such thing\n")
    text = "".join(printed(pid, start=100 + pid) for pid in range(1, 20))
    assert text.count("restarting it") == 2
    assert text.count("keeps dying") == text.count("no such thing") == 1


def test_a_program_that_does_not_come_up_is_reported_with_its_log(printed, monkeypatch):
    (printed.var / "log" / "train.log").write_text("waiting for Godot\n")
    monkeypatch.setattr(monitor, "START_SECONDS", -1)
    text = printed(7, start=100)
    assert "training worker is not up" in text and "waiting for Godot" in text


@pytest.mark.parametrize(
    ("host", "allowed", "address", "host_header"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"], "http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("0.0.0.0", ["*"], "http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("0.0.0.0", [".shoes.example"], "http://127.0.0.1:8000/", "shoes.example"),
        ("::1", ["[::1]"], "http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_the_health_check_uses_a_name_that_django_allows(host, allowed, address, host_header):
    site = Site(host, 8000, allowed)
    assert (site.address, site.host_header) == (address, host_header)


def test_allowed_hosts_are_printed_if_the_site_is_open_to_others(tmp_path, capsys):
    for host, named in (("127.0.0.1", False), ("0.0.0.0", True)):
        site = Site(host, 8000, ["localhost", "shoes.example"])
        Monitor(tmp_path, tmp_path, [], site).update({})
        assert ("localhost, shoes.example alone" in capsys.readouterr().out) == named
