"""Stored files and their local copies are complete or absent."""

import hashlib

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from shoeproject.storage.atomic import AtomicFileSystemStorage
from shoeproject.storage.cache import WrongDigest, copy_stored, local_copy
from shoeproject.storage.files import sha256_of, written_beside

SHA256 = hashlib.sha256(b"new").hexdigest()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "made" / "file"


@pytest.fixture
def stored():
    name = storages["models"].save("test-storage/file", ContentFile(b"new"))
    yield name
    storages["models"].delete(name)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_in_one_step(target):
    for content in (b"old", b"new"):
        with written_beside(target) as beside:
            beside.write_bytes(content)
            assert not target.exists() or target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file"]


def test_an_error_leaves_the_old_file_and_nothing_else(target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), written_beside(target) as beside:
        beside.write_bytes(b"half of the n")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert names(target.parent) == ["file"]


def test_an_error_leaves_no_folder(target):
    with pytest.raises(ZeroDivisionError), written_beside(target) as beside:
        beside.mkdir()
        (beside / "part").touch()
        raise ZeroDivisionError
    assert names(target.parent) == []


def test_a_folder_that_another_process_made_first_is_kept(target):
    for content in ("first", "second"):
        with written_beside(target) as beside:
            beside.mkdir()
            (beside / "content").write_text(content)
    assert (target / "content").read_text() == "first"
    assert names(target.parent) == ["file"]


def test_a_block_that_wrote_nothing_is_an_error(target):
    with pytest.raises(FileNotFoundError), written_beside(target):
        pass
    assert not target.exists()


def test_a_saved_file_replaces_the_one_of_the_same_name(tmp_path):
    storage = AtomicFileSystemStorage(location=tmp_path)
    for content in (b"old", b"new"):
        assert storage.save("a/file", ContentFile(content)) == "a/file"
    assert (tmp_path / "a" / "file").read_bytes() == b"new"
    assert names(tmp_path / "a") == ["file"]


def test_a_file_that_cannot_be_read_is_not_saved(tmp_path):
    class Broken(ContentFile):
        def chunks(self, chunk_size=None):
            yield b"half"
            raise OSError

    with pytest.raises(OSError):
        AtomicFileSystemStorage(location=tmp_path).save("a/file", Broken(b"content"))
    assert names(tmp_path / "a") == []


def test_a_stored_file_is_copied_and_verified(target, stored):
    copy_stored("models", stored, target, SHA256)
    assert target.read_bytes() == b"new"
    assert sha256_of(target) == SHA256


def test_a_copy_with_another_digest_is_refused_and_removed(target, stored):
    with pytest.raises(WrongDigest) as refused:
        copy_stored("models", stored, target, "0" * 64)
    assert refused.value.name == stored and stored in refused.value.detail
    assert names(target.parent) == []


def test_a_missing_file_leaves_nothing(target):
    with pytest.raises(FileNotFoundError):
        copy_stored("models", "test-storage/none", target)
    assert names(target.parent) == []


def test_a_local_copy_is_fetched_once(target, stored):
    assert local_copy("models", stored, target, SHA256) == target
    storages["models"].delete(stored)
    assert local_copy("models", stored, target, SHA256).read_bytes() == b"new"
