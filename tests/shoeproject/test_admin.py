"""The admin: permissions, every page opens, every action has its effect."""

import pytest
from django.contrib import admin
from django.urls import reverse

from classifier.models import ModelVersion, TrainingRun
from curation.models import Import, Review, ShoeImage, ShoeType, Snapshot
from curation.snapshots import freeze
from tests import tiny_model
from tests.factories import shoe_type, stored_image

pytestmark = pytest.mark.django_db
OURS = [m for m in admin.site._registry if m._meta.app_label in ("curation", "classifier")]


@pytest.fixture
def images():
    return [stored_image(n) for n in range(3)]


def act(client, model, action, rows, **data):
    """Run an admin action on rows and return the page that follows."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return client.post(url, chosen, follow=True)


@pytest.mark.parametrize("model", OURS, ids=lambda m: m.__name__)
def test_every_list_and_every_page_opens(admin_client, images, tmp_path, model):
    tiny_model.activate(tmp_path / "m")
    frozen = freeze.freeze("s", freeze.Filter())
    Import.objects.create(path="/nowhere", state="running", progress_total=10, progress_done=3)
    TrainingRun.objects.create(snapshot=frozen, recipe="quick-look")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert admin_client.get(reverse(f"{name}_changelist")).status_code == 200
    assert admin_client.get(reverse(f"{name}_add")).status_code in (200, 403)
    if row := model._default_manager.first():
        assert admin_client.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_roles(client, member, images):
    """A curator decides and freezes but does not promote; a trainer trains and does not decide."""
    curator, trainer = member("Curator", name="cur"), member("Trainer", name="tra")
    assert curator.has_perms(["curation.change_shoeimage", "curation.add_snapshot"])
    assert not curator.has_perm("classifier.add_promotion")
    assert not curator.has_perm("classifier.add_trainingrun")
    assert trainer.has_perms(["classifier.add_trainingrun", "classifier.add_promotion"])
    assert not trainer.has_perm("curation.change_shoeimage")
    assert member("Operator", name="ope").has_perm("auth.add_user")
    client.force_login(trainer)
    act(client, ShoeImage, "reject_images", images)
    assert Review.objects.exclude(action="import").count() == 0


def test_pictures_are_private(client, member, images):
    url = reverse("admin:curation_picture", args=[images[0].pk])
    assert client.get(url).status_code == 302
    client.force_login(member(name="nobody"))
    assert client.get(url).status_code == 404
    client.force_login(member("Curator"))
    response = client.get(url)
    assert response["Content-Type"] == "image/jpeg"
    assert "private" in response["Cache-Control"]
    assert b"".join(response.streaming_content)[:2] == b"\xff\xd8"


def test_decisions_and_undo(client, member, images):
    client.force_login(member("Curator"))
    act(client, ShoeImage, "relabel_images", images, label=shoe_type("uggs").pk)
    assert set(ShoeImage.objects.values_list("label__slug", "state")) == {("uggs", "confirmed")}
    act(client, ShoeImage, "undo_last", images)
    assert set(ShoeImage.objects.values_list("state", flat=True)) == {"unreviewed"}
    act(client, ShoeImage, "reject_images", images[:1])
    act(client, ShoeImage, "restore_images", images[:1])
    fresh = stored_image(50)
    page = act(client, ShoeImage, "undo_last", [fresh])
    assert "Nobody has decided on these yet" in page.content.decode()
    page = act(client, ShoeImage, "relabel_images", images)
    assert "Choose a label" in page.content.decode()
    page = act(client, ShoeImage, "restore_images", images)
    assert "only a rejected image" in page.content.decode()


def test_nothing_is_deleted_in_the_admin(admin_client, images):
    page = act(admin_client, ShoeImage, "delete_selected", images)
    assert page.status_code == 200
    assert ShoeImage.objects.count() == 3
    url = reverse("admin:curation_shoeimage_delete", args=[images[0].pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


def test_freezing_a_snapshot(client, member, images):
    client.force_login(member("Curator"))
    url = reverse("admin:curation_snapshot_add")
    page = client.post(url, {"name": "spring", "min_size": 100}, follow=True)
    assert Snapshot.objects.get().images == 3, page.content.decode()
    page = client.post(url, {"name": "spring", "min_size": 100, "confirmed": "on"})
    assert "No labelled image" in page.content.decode()


def test_an_import_reads_only_folders_below_import_roots(client, member, settings, tmp_path):
    client.force_login(member("Curator"))
    settings.IMPORT_ROOTS = [str(tmp_path / "in")]
    (tmp_path / "in").mkdir()
    url = reverse("admin:curation_import_add")
    form = {"licence": "CC0", "scene": "unknown", "label_map": "{}"}
    for path in ("/etc", str(tmp_path / "in" / ".." / ".."), str(tmp_path / "in" / "none")):
        assert client.post(url, {**form, "path": path}).status_code == 200
        assert Import.objects.count() == 0
    client.post(url, {**form, "path": str(tmp_path / "in")})
    assert Import.objects.get().asked_by.username == "kim"


def test_an_invalid_label_map_is_refused(client, member, settings, tmp_path):
    client.force_login(member("Curator"))
    settings.IMPORT_ROOTS = [str(tmp_path)]
    for label_map in ("[1]", '{"a": 1}', "nonsense"):
        form = {"path": str(tmp_path), "licence": "CC0", "scene": "unknown", "label_map": label_map}
        assert client.post(reverse("admin:curation_import_add"), form).status_code == 200
    assert Import.objects.count() == 0


def test_a_training_is_queued_with_its_changes_or_refused_with_a_reason(client, member, images):
    client.force_login(member("Trainer"))
    frozen = freeze.freeze("s", freeze.Filter())
    url = reverse("admin:classifier_trainingrun_add")
    fields = {"snapshot": frozen.pk, "recipe": "quick-look", "seed": 1, "evaluate": "on"}
    page = client.post(url, {**fields, "changes": "size=7"})
    assert "size" in page.content.decode()
    assert TrainingRun.objects.count() == 0
    client.post(url, {**fields, "changes": "size=96\nrounds=2"})
    run = TrainingRun.objects.get()
    assert (run.overrides, run.state) == ({"size": "96", "rounds": "2"}, "queued")
    act(client, TrainingRun, "pause_jobs", [run])
    act(client, TrainingRun, "resume_jobs", [run])
    act(client, TrainingRun, "cancel_jobs", [run])
    run.refresh_from_db()
    assert run.state == "cancelled"
    page = act(client, TrainingRun, "resume_jobs", [run])
    assert "is cancelled and cannot become queued" in page.content.decode()


def test_a_jobs_page_has_the_buttons_for_its_state(client, member):
    job = Import.objects.create(path="/x", state="running", attempt=1)
    page = reverse("admin:curation_import_change", args=[job.pk])
    client.force_login(member("Curator"))

    def buttons():
        return [action for action, _ in client.get(page).context["job_actions"]]

    assert buttons() == ["pause", "cancel"]
    assert client.get(f"{page}pause/").status_code == 403
    client.post(f"{page}pause/")
    assert buttons() == ["resume", "cancel"]
    client.post(f"{page}resume/")
    client.post(f"{page}cancel/")
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert buttons() == []
    client.force_login(member(name="nobody"))
    assert client.post(f"{page}pause/").status_code == 403


def test_progress_is_sent_as_json(client, member):
    job = Import.objects.create(
        path="/x", state="running", progress_done=3, progress_total=12, progress_what="pictures"
    )
    url = reverse("admin:curation_import_progress", args=[job.pk])
    client.force_login(member(name="nobody"))
    assert client.get(url).status_code == 404
    client.force_login(member("Curator"))
    assert client.get(url).json() == {
        "state": "running",
        "open": True,
        "percent": 25,
        "text": "3 of 12 pictures",
    }


def test_promoting_and_judging(client, member, tmp_path, images):
    version = tiny_model.activate(tmp_path / "m")
    ModelVersion.objects.update(active=False)
    frozen = freeze.freeze("s", freeze.Filter())
    client.force_login(member("Curator", name="cur"))
    act(client, ModelVersion, "promote_version", [version])
    assert not ModelVersion.objects.filter(active=True).exists()
    client.force_login(member("Trainer"))
    act(client, ModelVersion, "promote_version", [version])
    assert ModelVersion.objects.get(active=True) == version
    assert version.promotions.get().by.username == "kim"
    page = act(client, ModelVersion, "roll_back", [version])
    assert "No version was active before" in page.content.decode()
    act(client, ModelVersion, "judge", [version], snapshot=frozen.pk)
    assert version.evaluations.get().snapshot == frozen


def test_the_guides_lists_are_edited_as_lines(client, member):
    client.force_login(member("Curator"))
    uggs = shoe_type("uggs")
    url = reverse("admin:curation_shoetype_change", args=[uggs.pk])
    assert "\n".join(uggs.pros[:1]) in client.get(url).content.decode().replace("&#x27;", "'")
    form = {
        "name": uggs.name, "category": uggs.category_id, "distinction": "One.\r\n\r\n Two. ",
        "pros": "Warm.", "cons": "", "search_terms": "uggs",
    }  # fmt: skip
    client.post(url, form)
    uggs.refresh_from_db()
    assert (uggs.distinction, uggs.pros, uggs.cons) == (["One.", "Two."], ["Warm."], [])
    assert ShoeType.objects.get(slug="uggs")


@pytest.mark.parametrize("model", ["shoeimage", "shoetype", "review"])
def test_a_longer_list_takes_no_more_queries(admin_client, model, django_assert_max_num_queries):
    url = reverse(f"admin:curation_{model}_changelist")
    admin_client.get(url)
    for number in range(12):
        stored_image(number)
    with django_assert_max_num_queries(14):
        admin_client.get(url)
