"""The public API: versions of the model, choosing one, past answers, and "not modified"."""

import datetime
import threading

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signing import TimestampSigner
from PIL import Image

from classifier.api import serializers
from classifier.errors import ModelBusy
from classifier.inference.card import GRAPH
from classifier.models import Evaluation, ModelVersion
from classifier.registry import serving
from curation.models import ShoeType, Snapshot
from tests import tiny_model
from tests.classifier.test_api import PREDICTIONS, assert_problem
from tests.drawing import encoded

pytestmark = pytest.mark.django_db
RED, BETWEEN_BOOTS, BLACK = (255, 0, 0), (228, 0, 0), (0, 0, 0)


@pytest.fixture
def versions(tmp_path):
    """Three versions that take red for different types; the last is active."""
    others = [{**tiny_model.COLOURS, "chelsea-boots": (9, 9, 200), slug: RED}
              for slug in ("loafers", "sandals")]  # fmt: skip
    made = [
        tiny_model.activate(tmp_path / str(number), colours, name=f"model {number}")
        for number, colours in enumerate([*others, tiny_model.COLOURS])
    ]
    ModelVersion.objects.exclude(pk=made[-1].pk).update(active=False)
    return [ModelVersion.objects.get(pk=row.pk) for row in made]


def ask(client, model=None, colour=RED):
    photo = encoded(Image.new("RGB", (64, 64), colour), "PNG")
    query = "" if model is None else f"?model={model}"
    return client.post(PREDICTIONS + query, {"image": SimpleUploadedFile("a.png", photo)})


def answered(response) -> tuple[str, str]:
    assert response.status_code == 200, response.content
    answer = response.json()
    return answer["type"]["slug"], answer["model"]["version"]


# --- choosing a version -----------------------------------------------------------------------


def test_version_is_chosen_by_number_digest_or_as_active(client, versions):
    old, _, active = versions
    for ref in (old.pk, old.digest, old.digest[:12], old.digest[:20]):
        assert answered(ask(client, ref)) == ("loafers", old.short)
    for ref in (None, "", "active", active.pk, active.short):
        assert answered(ask(client, ref)) == ("chelsea-boots", active.short)


@pytest.mark.parametrize(
    "ref",
    ["0", "99999", "9" * 9, "9" * 30, "-1", "1.0", "latest", "ab", "f" * 11, "f" * 64, "%25", "٣",
     "a" * 5000],
)  # fmt: skip
def test_unknown_version_is_not_found(client, versions, ref):
    assert_problem(ask(client, ref), 404, "model_unknown")


def test_version_that_cannot_be_loaded_is_unavailable_and_left_alone(client, versions, caplog):
    old = versions[0]
    storages["models"].delete(old.file_name(GRAPH))
    for _ in range(3):
        problem = assert_problem(ask(client, old.pk), 503, "model_unloadable")
        assert old.short in problem["detail"]
        assert GRAPH not in problem["detail"]
    assert caplog.text.count("cannot be loaded") == 1, "not tried on every request"
    assert answered(ask(client))[0] == "chelsea-boots"


def test_versions_stay_in_memory_and_others_wait(client, versions, settings):
    settings.MODEL_PINNED_KEPT = 1
    first, second, _ = versions
    assert answered(ask(client, first.pk))[0] == "loafers"
    response = ask(client, second.pk)
    assert_problem(response, 503, "model_busy")
    assert 0 < int(response["Retry-After"]) <= settings.MODEL_PINNED_SECONDS
    assert answered(ask(client, first.pk))[0] == "loafers", "who has a place keeps it"
    settings.MODEL_PINNED_SECONDS = 0
    serving.forget()
    assert answered(ask(client, first.pk))[0] == "loafers"
    assert answered(ask(client, second.pk))[0] == "sandals", "the older one gave its place up"


def test_no_other_version_is_served_where_none_is_kept(client, versions, settings):
    settings.MODEL_PINNED_KEPT = 0
    assert_problem(ask(client, versions[0].pk), 503, "model_unloadable")
    assert answered(ask(client, "active"))[0] == "chelsea-boots"
    assert answered(ask(client, versions[-1].pk))[0] == "chelsea-boots"


def test_requests_are_refused_while_a_version_is_loaded(versions):
    with serving._pinned._loading, pytest.raises(ModelBusy):
        serving.pinned(str(versions[0].pk))
    assert serving.pinned(str(versions[0].pk)).version == versions[0]


def test_many_at_once_load_a_version_once(versions):
    found, refused, start = [], [], threading.Barrier(8)

    def work():
        start.wait()
        try:
            found.append(serving._pinned.get(versions[0]))
        except ModelBusy as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(served) for served in found}) == 1
    assert len(found) + len(refused) == 8


# --- the list ---------------------------------------------------------------------------------


def test_models_are_listed_newest_first_with_what_they_learnt(client, versions):
    rows = client.get("/api/v1/models/").json()
    assert [row["number"] for row in rows] == [row.pk for row in reversed(versions)]
    assert [row["active"] for row in rows] == [True, False, False]
    assert set(rows[0]) == set(serializers.VersionSerializer().fields)
    assert "chelsea-boots" in rows[0]["classes"]
    assert not {"other-shoe", "not-a-shoe"} & set(rows[0]["classes"])
    assert rows[0]["metrics"] is None, "it was never judged"


def measured(version, **figures):
    snapshot = Snapshot.objects.create(name=f"s{version.pk}", digest="0" * 64)
    metrics = {"images": 40, "right": 30, "accuracy": 0.75, "interval": [0.6, 0.9], **figures}
    return Evaluation.objects.create(
        version=version, snapshot=snapshot, metrics=metrics, state=Evaluation.State.DONE
    )


def test_metrics_and_figures_of_each_type(client, versions):
    row = {"accuracy": 0.5, "images": 20, "groups": 10, "right": 10, "interval": [0.3, 0.7]}
    measured(versions[0], per_type={"loafers": row})
    row = client.get("/api/v1/models/").json()[-1]
    assert set(row["metrics"]) == set(serializers.MetricsSerializer().fields)
    assert (row["metrics"]["accuracy"], row["metrics"]["interval"]) == (0.75, [0.6, 0.9])
    assert row["metrics"]["top5"] is None
    whole = client.get(f"/api/v1/models/{versions[0].short}/").json()
    assert set(whole) == set(serializers.VersionInFullSerializer().fields)
    loafers = next(row for row in whole["types"] if row["slug"] == "loafers")
    assert (loafers["state"], loafers["accuracy"], loafers["images"]) == ("judged", 0.5, 20)
    assert "mules" not in [row["slug"] for row in whole["types"]], "it did not learn that one"


def test_list_takes_the_same_queries_for_many(client, versions, django_assert_max_num_queries):
    for version in versions:
        measured(version)
    with django_assert_max_num_queries(3):
        client.get("/api/v1/models/")


def test_active_version_is_listed_however_old(client, versions, settings):
    settings.MODELS_LISTED = 1
    ModelVersion.objects.update(active=False)
    ModelVersion.objects.filter(pk=versions[0].pk).update(active=True)
    rows = client.get("/api/v1/models/").json()
    assert [row["number"] for row in rows] == [versions[2].pk, versions[0].pk]


@pytest.mark.parametrize("ref", ["active", "12345", "f" * 12, "x"])
def test_one_model_or_none(client, versions, ref):
    response = client.get(f"/api/v1/models/{ref}/")
    if ref == "active":
        assert response.json()["number"] == versions[-1].pk
    else:
        assert_problem(response, 404, "model_unknown")


def test_active_model_where_there_is_none(client):
    assert_problem(client.get("/api/v1/models/active/"), 503, "no_model")


# --- past answers -----------------------------------------------------------------------------


def again(client, response):
    return client.get(f"/api/v1/answers/{response.json()['id']}/")


@pytest.mark.parametrize("colour", [RED, BETWEEN_BOOTS, BLACK])
def test_answer_is_read_from_its_id(client, versions, colour):
    first = ask(client, colour=colour)
    answer = again(client, first).json()
    at = datetime.datetime.fromisoformat(answer.pop("at"))
    assert abs(at.timestamp() - datetime.datetime.now().timestamp()) < 60
    assert answer == first.json()


def test_past_answer_follows_the_guide(client, versions):
    first = ask(client)
    into = ShoeType.objects.get(slug="loafers")
    ShoeType.objects.filter(slug="chelsea-boots").update(merged_into=into)
    answer = again(client, first).json()
    assert (answer["type"]["slug"], answer["category"]["slug"]) == ("loafers", into.category.slug)
    assert [entry["slug"] for entry in answer["top"]].count("loafers") == 1
    ShoeType.objects.filter(slug="loafers").update(
        merged_into=ShoeType.objects.get(slug="other-shoe")
    )
    answer = again(client, first).json()
    assert (answer["verdict"], answer["type"], answer["category"]) == ("unsure", None, None)


def test_past_answer_outlives_its_model(client, versions):
    first = ask(client)
    ModelVersion.objects.all().delete()
    serving.forget()
    assert again(client, first).json()["model"]["version"] == versions[-1].short


@pytest.mark.parametrize("token", ["x", "a:b:c", "a" * 3000, "a%2Fb", "%F0%9F%91%9F"])
def test_invalid_id_is_refused(client, token):
    assert_problem(client.get(f"/api/v1/answers/{token}/"), 400, "answer_unknown")


def test_id_that_is_too_old_is_gone(client, versions, monkeypatch):
    monkeypatch.setattr(TimestampSigner, "timestamp", lambda self: "1")
    first = ask(client)
    monkeypatch.undo()
    assert_problem(again(client, first), 410, "answer_expired")


# --- not modified -----------------------------------------------------------------------------

GUIDE = ["types/", "types/chelsea-boots/", "categories/", "models/", "models/active/"]


@pytest.mark.parametrize("address", GUIDE)
def test_unchanged_answers_are_not_sent_again(client, versions, address):
    first = client.get(f"/api/v1/{address}")
    etag = first["ETag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        response = client.get(f"/api/v1/{address}", HTTP_IF_NONE_MATCH=known)
        assert (response.status_code, response.content) == (304, b"")
        assert (response["ETag"], response["Cache-Control"]) == (etag, first["Cache-Control"])
    assert client.get(f"/api/v1/{address}", HTTP_IF_NONE_MATCH='"other"').status_code == 200


def test_changed_guide_has_another_etag(client, versions):
    before = client.get("/api/v1/types/")["ETag"]
    ShoeType.objects.filter(slug="uggs").update(pros=["Warm."])
    response = client.get("/api/v1/types/", HTTP_IF_NONE_MATCH=before)
    assert response.status_code == 200
    assert response["ETag"] != before


@pytest.mark.parametrize("address", GUIDE)
def test_head_has_the_headers_and_no_body(client, versions, address):
    got, head = client.get(f"/api/v1/{address}"), client.head(f"/api/v1/{address}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Cache-Control", "Content-Type", "Content-Length"):
        assert head[name] == got[name]
    known = client.head(f"/api/v1/{address}", HTTP_IF_NONE_MATCH=got["ETag"])
    assert known.status_code == 304


@pytest.mark.parametrize("address", [*GUIDE, "predictions/", "answers/x/"])
def test_options_say_what_may_be_done(client, address):
    response = client.options(f"/api/v1/{address}")
    assert response.status_code == 200
    assert "ETag" not in response
    verbs = {"POST", "OPTIONS"} if address == "predictions/" else {"GET", "HEAD", "OPTIONS"}
    assert set(response["Allow"].split(", ")) == verbs
