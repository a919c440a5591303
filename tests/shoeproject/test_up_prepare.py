"""What `make run` prepares: database, static files, the first account."""

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from shoeproject.up import checks, prepare


def test_an_unreachable_database_is_one_line(settings, monkeypatch):
    def refuse():
        raise prepare.DatabaseError("connection refused.\n\tIs the server running?")

    monkeypatch.setattr(prepare.connection, "ensure_connection", refuse)
    with pytest.raises(prepare.DatabaseUnreachable) as refused:
        prepare.database_reachable()
    assert "\n" not in refused.value.detail
    assert "connection refused. DATABASE_URL" in refused.value.detail


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


@pytest.mark.django_db
def test_admin_password_knows_an_account_whose_name_was_normalised(django_user_model):
    wide = "ｋｉｍ"  # three full-width letters, stored as "kim"
    call_command("admin_password", wide)
    call_command("admin_password", wide)
    assert django_user_model.objects.get().username == "kim"
