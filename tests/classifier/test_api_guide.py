"""The public API: the guide, the schema, its page."""

import re

import pytest
from django.urls import reverse
from drf_spectacular.validation import validate_schema

from classifier.registry import serving
from curation.models import ShoeType
from tests import tiny_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


@pytest.fixture
def no_model():
    serving.forget()


# --- the guide --------------------------------------------------------------------------------


def test_types_come_family_by_family_with_their_text(client, version):
    response = client.get("/api/v1/types/")
    types = response.json()
    assert len(types) == 36
    assert set(types[0]) == {
        "slug", "name", "category", "pros", "cons", "distinction", "learnt", "accuracy",
    }  # fmt: skip
    assert not {"other-shoe", "not-a-shoe"} & {row["slug"] for row in types}
    families = [row["category"] for row in types]
    assert families == sorted(families, key=families.index)
    assert response["Cache-Control"] == "public, max-age=60"
    assert "Cookie" not in response.get("Vary", "")


def test_learnt_says_what_the_active_model_can_answer(client, version):
    learnt = {row["slug"] for row in client.get("/api/v1/types/").json() if row["learnt"]}
    assert learnt == set(tiny_model.COLOURS) - {"other-shoe", "not-a-shoe"}


def test_nothing_is_learnt_without_a_model(client, no_model):
    assert not any(row["learnt"] for row in client.get("/api/v1/types/").json())


def test_merged_type_is_not_listed_and_leads_to_its_survivor(client, version):
    into = ShoeType.objects.get(slug="cowboy-boots")
    ShoeType.objects.filter(slug="army-boots").update(merged_into=into)
    types = {row["slug"]: row for row in client.get("/api/v1/types/").json()}
    assert "army-boots" not in types
    assert types["cowboy-boots"]["learnt"], "what the model learnt as army boots counts for it"
    response = client.get("/api/v1/types/army-boots/")
    assert (response.status_code, response["Location"]) == (302, "/api/v1/types/cowboy-boots/")
    boots = client.get("/api/v1/categories/").json()[0]
    assert "army-boots" not in boots["types"]


def test_one_type_by_its_slug(client, version):
    row = client.get("/api/v1/types/chelsea-boots/").json()
    assert (row["name"], row["category"], row["learnt"]) == ("Chelsea boots", "boots", True)


@pytest.mark.parametrize("slug", ["no-such-type", "not-a-shoe", "other-shoe"])
def test_what_is_no_type_is_not_found(client, slug):
    response = client.get(f"/api/v1/types/{slug}/")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


def test_categories_list_their_types(client):
    rows = client.get("/api/v1/categories/").json()
    assert [row["slug"] for row in rows] == [
        "boots", "athletic-shoes", "dress-shoes", "casual-shoes", "womens-heels",
    ]  # fmt: skip
    assert sum(len(row["types"]) for row in rows) == 36
    assert "chelsea-boots" in rows[0]["types"]


def test_guide_takes_two_queries_at_most(client, no_model, django_assert_max_num_queries):
    with django_assert_max_num_queries(2):
        client.get("/api/v1/types/")
    with django_assert_max_num_queries(2):
        client.get("/api/v1/categories/")


# --- schema and docs --------------------------------------------------------------------------


def test_schema_is_valid_and_lists_addresses_and_errors(client):
    response = client.get("/api/v1/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json")
    schema = response.json()
    validate_schema(schema)
    assert set(schema["paths"]) >= {
        "/api/v1/predictions/",
        "/api/v1/types/",
        "/api/v1/types/{slug}/",
        "/api/v1/categories/",
        "/api/v1/findings/",
    }
    post = schema["paths"]["/api/v1/predictions/"]["post"]
    assert set(post["responses"]) >= {"200", "400", "411", "413", "415", "503"}
    form = post["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["image"]["items"]["format"] == "binary"
    for status, response in post["responses"].items():
        kind = "application/json" if status == "200" else "application/problem+json"
        assert response["content"][kind]["examples"], status
    assert "404" in schema["paths"]["/api/v1/types/{slug}/"]["get"]["responses"]


def test_docs_load_nothing_from_elsewhere(client):
    page = client.get(reverse("api-docs"))
    assert page.status_code == 200
    assert not re.search(r'(src|href)="(https?:)?//', page.content.decode())
    assert "'unsafe" not in page["Content-Security-Policy"]
    script = client.get(reverse("api-docs") + "?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/v1/schema/" in script.content.decode()
