"""The curators' API: lists page by page, single rows, and what can be done."""

from datetime import timedelta

import pytest
from django.utils import timezone

from classifier.models import Epoch, ModelVersion, TrainingRun
from curation.issues import write
from curation.models import AssessRun, Collection, Review, ShoeImage, Snapshot
from curation.snapshots import freeze
from shoeproject.jobs import State
from tests import decisions
from tests.factories import jpeg, row, shoe_type, stored_image

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def curator(client, member):
    client.curator = member("Curator")
    client.force_login(client.curator)
    return client


@pytest.fixture
def images():
    boots, uggs = shoe_type(), shoe_type("uggs")
    return ShoeImage.objects.bulk_create(
        [
            row(0, label=boots, state="confirmed", source="shop", licence="CC0"),
            row(1, label=boots, domain="shop.example"),
            row(2, label=uggs, width=900, height=900),
            row(3, proposed=uggs, state="rejected"),
        ]
    )


def results(client, address, **query):
    response = client.get(f"{API}/{address}/", query)
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "private, no-store"
    return response.json()["results"]


def post(client, address, body=None):
    return client.post(f"{API}/{address}/", body, "application/json")


def code(response):
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"][-1] in ".?"
    return response.status_code, response.json()["code"]


# --- images -----------------------------------------------------------------------------------


def test_images_come_in_the_order_of_their_arrival(curator, images):
    assert [line["id"] for line in results(curator, "images")] == [i.pk for i in images]


@pytest.mark.parametrize(
    "query, expected",
    [
        ({"state": "unreviewed"}, [1, 2]),
        ({"label": "chelsea-boots"}, [0, 1]),
        ({"label": "chelsea-boots", "state": "confirmed"}, [0]),
        ({"source": "shop"}, [0]),
        ({"licence": "CC0"}, [0]),
        ({"domain": "shop.example"}, [1]),
        ({"min_side": 500}, [2]),
        ({"collection": 7}, []),
        ({"label": "nothing"}, []),
    ],
)
def test_filters_of_images(curator, images, query, expected):
    assert [line["sha256"] for line in results(curator, "images", **query)] == [
        images[n].sha256 for n in expected
    ]


def test_images_by_split_and_collection(curator, images):
    collection = Collection.objects.create(shoe_type=shoe_type())
    ShoeImage.objects.filter(pk=images[1].pk).update(collection=collection)
    (line,) = results(curator, "images", collection=collection.pk)
    assert line["sha256"] == images[1].sha256
    for split in ("train", "valid", "test"):
        ours = [i.sha256 for i in images if i.split == split]
        assert [line["sha256"] for line in results(curator, "images", split=split)] == ours


def test_pages_make_up_the_whole_list(curator, images):
    ids, after = [], {}
    while True:
        part = curator.get(f"{API}/images/", {"limit": 3, **after}).json()
        ids += [line["id"] for line in part["results"]]
        if part["next"] is None:
            break
        after = {"after": part["next"]}
    assert ids == [i.pk for i in images]


def test_only_the_requested_fields(curator, images):
    line = results(curator, "images", fields="sha256,label")[0]
    assert line == {"sha256": images[0].sha256, "label": "chelsea-boots"}


@pytest.mark.parametrize(
    "query",
    [
        {"fields": "sha256,nonsense"},
        {"state": "nonsense"},
        {"split": "nonsense"},
        {"min_side": "-1"},
        {"collection": "x"},
        {"collection": str(2**63)},
        {"limit": "0"},
        {"limit": "1001"},
        {"after": "x"},
        {"after": str(2**63)},
        {"label": "\0"},
        {"label": ""},
        {"source": ""},
    ],
)
def test_an_invalid_query_is_a_problem(curator, query):
    response = curator.get(f"{API}/images/", query)
    assert code(response) == (400, "invalid")
    assert set(response.json()["errors"]) == set(query)


def test_an_image_has_all_of_its_fields(curator, images):
    write.add_finding(images[1], "blurred")
    decisions.reject([images[1]], curator.curator)
    line = curator.get(f"{API}/images/{images[1].sha256}/").json()
    assert line["state"] == "rejected"
    assert line["label"] == "chelsea-boots"
    assert line["decision"] == Review.objects.get().pk
    assert line["picture"] == f"{API}/images/{images[1].sha256}/picture"
    assert line["collection"] is None


def test_images_take_the_same_queries_for_any_number(curator, django_assert_num_queries):
    ShoeImage.objects.bulk_create([row(n, label=shoe_type()) for n in range(40)])
    # Session, user, two for permissions, images, decisions.
    for limit in (2, 40):
        with django_assert_num_queries(6):
            curator.get(f"{API}/images/", {"limit": limit})


def test_an_unknown_image_is_not_found(curator):
    for address in (f"images/{'0' * 64}/", f"images/{'0' * 64}/picture", "images/nonsense/"):
        assert curator.get(f"{API}/{address}").status_code == 404


def test_the_picture_needs_the_permission(curator, client, member):
    image = stored_image()
    response = curator.get(f"{API}/images/{image.sha256}/picture", HTTP_ACCEPT="image/*")
    content = b"".join(response.streaming_content)
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    assert content.startswith(b"\xff\xd8") and content != jpeg()
    assert response["Cache-Control"].startswith("private")
    client.force_login(member(name="nobody"))
    assert code(client.get(f"{API}/images/{image.sha256}/picture")) == (403, "permission_denied")


def test_a_purged_image_has_no_picture(curator, images):
    ShoeImage.objects.filter(pk=images[0].pk).update(state="purged", stored_sha256="")
    line = curator.get(f"{API}/images/{images[0].sha256}/").json()
    assert line["picture"] is None
    response = curator.get(f"{API}/images/{images[0].sha256}/picture")
    assert code(response) == (404, "not_found")


# --- decisions --------------------------------------------------------------------------------


def test_a_decision_is_made_and_listed(curator, images):
    answer = post(
        curator, "reviews",
        {
            "action": "relabel", "images": [images[1].sha256, images[2].sha256],
            "label": "mules", "note": "look at the heel",
        },
    )  # fmt: skip
    assert answer.status_code == 201
    made = answer.json()
    assert set(made["images"]) == {images[1].sha256, images[2].sha256}
    assert made["overtaken"] == []
    lines = results(curator, "reviews", image=images[1].sha256)
    assert [(x["action"], x["label_from"], x["label_to"], x["by"]) for x in lines] == [
        ("relabel", "chelsea-boots", "mules", "kim")
    ]
    assert lines[0]["batch"] == made["batch"]
    images[1].refresh_from_db()
    assert (images[1].label.slug, images[1].state) == ("mules", "confirmed")


def test_an_overtaken_decision_is_reported_and_changes_nothing(curator, images, member):
    image = images[1]
    decisions.reject([image], member("Curator", name="other"))
    body = {"action": "confirm", "images": [image.sha256], "seen": {image.sha256: 0}}
    answer = post(curator, "reviews", body)
    assert answer.status_code == 200
    assert answer.json() == {"batch": None, "images": [], "overtaken": [image.sha256]}
    body["seen"] = {image.sha256: Review.objects.get().pk}
    assert post(curator, "reviews", body).status_code == 201


@pytest.mark.parametrize(
    "changes, status, expected",
    [
        ({"action": "nonsense"}, 400, "invalid"),
        ({"action": "import"}, 400, "invalid"),
        ({"images": []}, 400, "invalid"),
        ({"images": ["short"]}, 400, "invalid"),
        ({"images": ["0" * 64]}, 404, "image_unknown"),
        ({"action": "relabel"}, 409, "decision_refused"),
        ({"action": "relabel", "label": "nonsense"}, 400, "invalid"),
        ({"action": "restore"}, 409, "decision_refused"),
        ({"action": "leave"}, 409, "decision_refused"),
        ({"note": "x" * 501}, 400, "invalid"),
        ({"seen": {"0" * 64: "x"}}, 400, "invalid"),
        ({"seen": {"0" * 64: 2**63}}, 400, "invalid"),
    ],
)
def test_an_invalid_decision_changes_nothing(curator, images, changes, status, expected):
    body = {"action": "confirm", "images": [images[0].sha256], **changes}
    assert code(post(curator, "reviews", body)) == (status, expected)
    assert not Review.objects.exists()


def test_decisions_by_person_and_time(curator, images, member):
    other = member("Curator", name="other")
    decisions.reject([images[0]], other)
    decisions.confirm([images[1]], curator.curator)
    Review.objects.filter(by=other).update(at=timezone.now() - timedelta(days=2))
    assert [line["by"] for line in results(curator, "reviews")] == ["kim", "other"]
    assert [line["by"] for line in results(curator, "reviews", by="other")] == ["other"]
    day = (timezone.now() - timedelta(days=1)).isoformat()
    assert [line["by"] for line in results(curator, "reviews", since=day)] == ["kim"]
    part = curator.get(f"{API}/reviews/", {"limit": 1}).json()
    later = curator.get(f"{API}/reviews/", {"after": part["next"]}).json()
    assert [line["by"] for line in later["results"]] == ["other"]
    assert later["next"] is None


def test_a_trainer_looks_and_does_not_decide(client, member, images):
    client.force_login(member("Trainer"))
    assert client.get(f"{API}/images/").status_code == 200
    body = {"action": "reject", "images": [images[0].sha256]}
    assert code(post(client, "reviews", body)) == (403, "permission_denied")


# --- collections ------------------------------------------------------------------------------


def test_collections_are_started_and_moved(curator):
    body = {"types": ["uggs", "mules"], "count": 20, "filters": {"kind": "photo"}}
    answer = post(curator, "collections", body)
    assert answer.status_code == 201
    assert [line["type"] for line in answer.json()["results"]] == ["uggs", "mules"]
    job = Collection.objects.get(shoe_type__slug="uggs")
    assert (job.count, job.filters, job.asked_by) == (20, {"kind": "photo"}, curator.curator)
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        moved = post(curator, f"collections/{job.pk}/{verb}")
        assert (moved.status_code, moved.json()["state"]) == (200, state)
    assert code(post(curator, f"collections/{job.pk}/pause")) == (409, "transition_refused")
    assert curator.get(f"{API}/collections/{job.pk}/").json()["state"] == "cancelled"
    assert [line["type"] for line in results(curator, "collections")] == ["mules", "uggs"]
    assert len(results(curator, "collections", state="cancelled")) == 1
    assert [line["type"] for line in results(curator, "collections", type="uggs")] == ["uggs"]


@pytest.mark.parametrize(
    "changes, status, expected",
    [
        ({"types": []}, 400, "invalid"),
        ({"types": ["nonsense"]}, 400, "invalid"),
        ({"count": 0}, 400, "invalid"),
        ({"filters": {"kind": "nonsense"}}, 400, "invalid"),
        ({"types": ["uggs", "mules"], "terms": ["boots"]}, 409, "collection_refused"),
    ],
)
def test_an_invalid_collection_queues_nothing(curator, changes, status, expected):
    body = {"types": ["uggs"], "count": 5, **changes}
    assert code(post(curator, "collections", body)) == (status, expected)
    assert not Collection.objects.exists()


def test_a_type_is_not_collected_twice_at_a_time(curator):
    body = {"types": ["uggs"], "count": 5}
    assert post(curator, "collections", body).status_code == 201
    assert code(post(curator, "collections", body)) == (409, "collection_refused")


@pytest.mark.parametrize("pk", [999, 2**63, 10**30])
def test_an_unknown_job_is_not_found(curator, pk):
    assert curator.get(f"{API}/collections/{pk}/").status_code == 404
    assert post(curator, f"collections/{pk}/pause").status_code == 404
    assert curator.get(f"{API}/runs/{pk}/").status_code == 404


# --- snapshots and runs -----------------------------------------------------------------------


def test_a_snapshot_is_frozen_and_shown(curator, images):
    answer = post(curator, "snapshots", {"name": "spring", "confirmed": True})
    assert answer.status_code == 201
    assert answer.json()["images"] == 1
    assert answer.json()["counts"]["chelsea-boots"][images[0].split] == 1
    assert Snapshot.objects.get().created_by == curator.curator
    assert post(curator, "snapshots", {"name": "spring", "confirmed": True}).status_code == 200
    assert code(post(curator, "snapshots", {"name": "spring"})) == (409, "snapshot_name_taken")
    (line,) = results(curator, "snapshots")
    assert (line["name"], line["labels"]) == ("spring", 1)
    assert curator.get(f"{API}/snapshots/spring/").json() == answer.json()
    assert curator.get(f"{API}/snapshots/autumn/").status_code == 404


def test_nothing_to_freeze_and_bad_names_are_problems(curator):
    assert code(post(curator, "snapshots", {"name": "empty"})) == (409, "snapshot_empty")
    for name in ("", "a b", "ä", "x" * 81, "a\n"):
        response = post(curator, "snapshots", {"name": name})
        if name != "a\n":  # white space around a text is taken off
            assert code(response) == (400, "invalid"), name


def test_training_runs_with_their_epochs(curator, images):
    frozen = freeze.freeze("spring", freeze.Filter())
    run = TrainingRun.objects.create(snapshot=frozen, recipe="quick-look", state=State.DONE)
    Epoch.objects.create(run=run, number=0, images=10, accuracy=0.5)
    ModelVersion.objects.create(run=run, name="m", digest="ab" * 32, card={})
    TrainingRun.objects.create(snapshot=frozen, recipe="quick-look")
    assert [line["state"] for line in results(curator, "runs")] == ["queued", "done"]
    (line,) = results(curator, "runs", state="done")
    assert (line["version"], line["snapshot"]) == ("ab" * 32, "spring")
    full = curator.get(f"{API}/runs/{run.pk}/").json()
    assert [(e["number"], e["accuracy"]) for e in full["epochs"]] == [(0, 0.5)]
    assert {k: v for k, v in full.items() if k != "epochs"} == line


def test_assess_runs_say_which_counts(curator):
    old, new = AssessRun.objects.create(), AssessRun.objects.create(model_name="m")
    write.publish(old)
    lines = results(curator, "assess-runs")
    assert [(line["id"], line["current"]) for line in lines] == [(new.pk, False), (old.pk, True)]
    assert results(curator, "assess-runs", state="done") == []


# --- the schema -------------------------------------------------------------------------------


def test_answers_are_as_the_schema_says(curator, images):
    schema = curator.get(f"{API}/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    freeze.freeze("spring", freeze.Filter())
    decisions.confirm([images[1]], curator.curator)
    post(curator, "collections", {"types": ["uggs"], "count": 5})
    AssessRun.objects.create()
    TrainingRun.objects.create(snapshot=Snapshot.objects.get(), recipe="quick-look")
    for address in ("images", "reviews", "collections", "snapshots", "runs", "assess-runs"):
        operation = schema["paths"][f"{API}/{address}/"]["get"]
        assert {"200", "400", "401", "403", "429"} <= set(operation["responses"])
        reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        page = schema["components"]["schemas"][reference.rpartition("/")[2]]
        line = page["properties"]["results"]["items"]["$ref"].rpartition("/")[2]
        assert set(results(curator, address)[0]) == set(
            schema["components"]["schemas"][line]["properties"]
        ), address


def test_creating_requests_take_an_idempotency_key(client):
    schema = client.get(f"{API}/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    for address in ("reviews/", "collections/", "snapshots/", "collections/{id}/pause/"):
        operation = schema["paths"][f"{API}/{address}"]["post"]
        assert "Idempotency-Key" in {p["name"] for p in operation["parameters"]}
        assert {"409", "422"} <= set(operation["responses"])
