"""A purge: files and all copies of them are removed, the tombstone stays, nothing else changes."""

import json

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from classifier.jobs import decoded_pictures, picture_files
from curation import ingest
from curation.decisions import history, purge, undo
from curation.decisions.purge import Scope
from curation.issues import findings, write
from curation.issues.new_finding import NewFinding
from curation.models import AssessRun, Purge, Review, ShoeImage
from curation.snapshots import freeze
from tests import decisions
from tests.factories import jpeg, row, shoe_type, stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(member):
    return member("Operator")


@pytest.fixture
def images():
    return [stored_image(n) for n in range(3)]


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Run what follows a commit, as outside a test."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def chosen(*images):
    return ShoeImage.objects.filter(pk__in=[image.pk for image in images])


def test_the_picture_goes_and_the_tombstone_stays(images, boss, committed):
    stored, name = images[0].stored_sha256, images[0].file_name
    thumb = f"thumbs/{stored[:2]}/{stored}.jpg"
    storages["media"].save(thumb, ContentFile(b"small"))
    with committed():
        done = purge.purge(chosen(images[0]), boss, "Its owner asked.", "Image 1")
    assert not storages["media"].exists(name)
    assert not storages["media"].exists(thumb)
    assert storages["media"].exists(images[1].file_name)
    gone = ShoeImage.objects.get(pk=images[0].pk)
    assert (gone.state, gone.stored_sha256, gone.purge, gone.priority) == ("purged", "", done, -1)
    assert (gone.sha256, gone.phash) == (images[0].sha256, images[0].phash)
    assert (done.by, done.why, done.scope) == (boss, "Its owner asked.", "Image 1")
    history = Review.objects.get(image=gone, action="purge")
    assert (history.by, history.state_from, history.state_to) == (boss, "unreviewed", "purged")


def test_a_purged_picture_is_not_collected_again(images, boss, committed):
    with committed():
        purge.purge(chosen(images[0]), boss, "Asked.", "one")
    again, new = ingest.add_image(jpeg(0), ingest.Origin(source="elsewhere"), label=shoe_type())
    assert (again.pk, new, again.state, again.file_name) == (images[0].pk, False, "purged", "")
    with pytest.raises(history.DecisionRefused):
        decisions.restore([again], boss)


def test_a_purge_cannot_be_undone(images, boss):
    purge.purge(chosen(images[0]), boss, "Asked.", "one")
    batch = Review.objects.get(action="purge").batch
    with pytest.raises(history.DecisionRefused, match="cannot be undone"):
        undo.undo_batch(batch, boss)


def test_a_file_that_another_image_shares_stays(images, boss, committed):
    row(1, stored_sha256=images[0].stored_sha256).save()
    with committed():
        purge.purge(chosen(images[0]), boss, "Asked.", "one")
    assert storages["media"].exists(images[0].file_name)
    with committed():
        purge.purge(ShoeImage.objects.exclude(stored_sha256=""), boss, "Asked.", "the rest")
    assert not storages["media"].exists(images[0].file_name)


def test_removing_files_can_be_repeated(images, boss):
    done = purge.purge(chosen(images[0]), boss, "Asked.", "one")
    assert storages["media"].exists(images[0].file_name)  # the process died before the files went
    assert purge.remove_files(done) == 1
    assert not storages["media"].exists(images[0].file_name)
    assert purge.remove_files(done) == 1  # nothing is wrong about asking once more


def test_snapshots_that_list_it_become_incomplete(images, boss):
    held = freeze.freeze("all", freeze.Filter())
    decisions.reject(images[:1], boss)
    rest = freeze.freeze("rest", freeze.Filter())
    assert purge.preview(chosen(images[0])).snapshots == [held]
    purge.purge(chosen(images[0]), boss, "Asked.", "one")
    held.refresh_from_db(), rest.refresh_from_db()
    assert (held.incomplete, rest.incomplete) == (True, False)


def test_an_unreadable_snapshot_becomes_incomplete(images, boss):
    broken = freeze.freeze("all", freeze.Filter())
    storages["media"].delete(broken.manifest_name)
    purge.purge(chosen(images[0]), boss, "Asked.", "one")
    broken.refresh_from_db()
    assert broken.incomplete


def test_copies_cached_for_training_are_removed_too(images, boss, committed, settings):
    digests = [image.stored_sha256 for image in images]
    local = picture_files.fetch(digests, lambda done: None)
    folder = settings.CACHE_DIR / "decoded"
    wanted = [decoded_pictures.DecodeRequest(path, 64, True) for path in local.values()]
    decoded_pictures.decode_all(wanted, folder, 10**9)
    with committed():
        purge.purge(chosen(images[0]), boss, "Asked.", "one")
    assert [local[digest].exists() for digest in digests] == [False, True, True]
    assert list(folder.iterdir()) == []


def test_decoded_pixels_of_other_pictures_stay(images, boss, committed, settings):
    local = picture_files.fetch([image.stored_sha256 for image in images[1:]], lambda done: None)
    folder = settings.CACHE_DIR / "decoded"
    decoded_pictures.decode_all(
        [decoded_pictures.DecodeRequest(path, 64, True) for path in local.values()], folder, 10**9
    )
    with committed():
        purge.purge(chosen(images[0]), boss, "Asked.", "one")
    index = next(folder.glob("*.json"))
    assert len(json.loads(index.read_text())) == 2


def test_findings_of_its_copies_no_longer_stand(images, boss):
    run = AssessRun.objects.create()
    write.record(run, [NewFinding(images[1].pk, "exact-duplicate", 1, other=images[0].sha256)])
    write.publish(run)
    findings.refresh([images[1].pk])
    purge.purge(chosen(images[0]), boss, "Asked.", "one")
    images[1].refresh_from_db()
    assert images[1].reasons == 0


def test_without_a_reason_or_images_nothing_happens(images, boss):
    with pytest.raises(purge.PurgeRefused, match="Say why"):
        purge.purge(chosen(images[0]), boss, "  ", "one")
    with pytest.raises(purge.PurgeRefused, match="picture left"):
        purge.purge(ShoeImage.objects.none(), boss, "Asked.", "none")
    assert not Purge.objects.exists()


def test_other_images_than_shown_are_refused(images, boss):
    shown = purge.preview(chosen(*images[:2]))
    assert (shown.images, shown.labels) == (2, [("Chelsea boots", 2)])
    with pytest.raises(purge.PurgeRefused, match="3 of them"):
        purge.purge(chosen(*images), boss, "Asked.", "some", expected=shown.expected)
    assert not ShoeImage.objects.filter(state="purged").exists()


def test_scopes(boss):
    urls = {
        1: ("https://shop.example/a/1", "https://cdn.example/1.jpg", "shop.example"),
        2: ("https://www.shop.example/b", "https://cdn.example/2.jpg", "www.shop.example"),
        3: ("https://othershop.example/b", "https://cdn.example/A/3.jpg", "othershop.example"),
    }
    for number, (page, file, domain) in urls.items():
        row(number, page_url=page, file_url=file, domain=domain).save()
    number_of = {image.pk: image.domain for image in ShoeImage.objects.all()}

    def found(kind, value):
        return sorted(number_of[image.pk] for image in Scope(kind, value).images())

    assert found("domain", "Shop.example ") == ["shop.example", "www.shop.example"]
    assert found("url", "https://shop.example/a") == ["shop.example"]
    assert found("url", "https://cdn.example/2.jpg") == ["www.shop.example"]
    assert found("url", "https://cdn.example/a") == []
    assert found("images", ",".join(map(str, number_of))) == sorted(number_of.values())
    for kind, value in (
        ("domain", ""),
        ("url", "h"),
        ("url", "https://"),
        ("images", "x"),
        ("", ""),
    ):
        with pytest.raises(purge.PurgeRefused):
            Scope(kind, value).images()


def test_a_long_scope_is_cut_in_words():
    assert Scope("images", "3,4").words == "Images 3, 4"
    assert Scope("images", ",".join(map(str, range(1, 61)))).words.endswith(", 50 and 10 more")
    assert Scope("domain", " shop.example").words == "Everything from shop.example"
