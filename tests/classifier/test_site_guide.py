"""The guide's search and families, without JavaScript."""

import re

import pytest

from classifier.registry import serving
from curation.models import ShoeType
from curation.taxonomy import search_text
from tests import tiny_model
from tests.classifier.test_pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def found(client, query: str) -> set[str]:
    page = client.get("/guide/", {"q": query}).content.decode()
    return set(re.findall(r'<details class="entry" id="([\w-]+)"', page))


def test_words_find_types_by_name_and_family(client):
    assert found(client, "chelsea") == {"chelsea-boots"}
    assert found(client, "  UGG ") == {"uggs"}
    boots = set(ShoeType.objects.filter(category__slug="boots").values_list("slug", flat=True))
    assert boots <= found(client, "boots")
    assert len(found(client, "")) == 36


def test_other_words_for_a_type_find_it_too(client):
    ShoeType.objects.filter(slug="uggs").update(search_terms=["wombat slippers"])
    assert found(client, "wombat") == {"uggs"}
    assert found(client, "slip ugg") == {"uggs"}, "every word counts, wherever it stands"


def test_text_is_what_the_script_searches_as_well(client):
    page = client.get("/guide/").content.decode()
    row = ShoeType.objects.get(slug="uggs")
    assert f'data-text="{search_text.text_of(row)}"'.replace("'", "&#x27;") in page


def test_search_without_result_says_what_to_try(client):
    page = client.get("/guide/", {"q": "spaceship"})
    content = text(page)
    assert "0 of 36 types" in content and "No type is called that" in content
    assert re.search(r'<div class="notice" data-none>', page.content.decode())
    assert 'value="spaceship"' in page.content.decode()


def test_query_is_shown_as_text(client):
    page = client.get("/guide/", {"q": '"><script>'}).content.decode()
    assert "<script>" not in page


def test_family_has_a_page_with_its_types_and_how_often_the_model_is_right(client, version):
    response = client.get("/guide/category/boots/")
    content = text(response)
    for row in ShoeType.objects.filter(category__slug="boots"):
        assert row.name in content and row.distinction[0] in content
    assert "not learnt yet" in content
    assert "Loafers" not in content
    assert client.get("/guide/category/no-such/").status_code == 404


def test_merged_type_leaves_its_family(client):
    into = ShoeType.objects.get(slug="cowboy-boots")
    ShoeType.objects.filter(slug="army-boots").update(merged_into=into)
    assert "army-boots" not in client.get("/guide/category/boots/").content.decode()


def test_type_leads_to_its_family(client, version):
    assert 'href="/guide/category/boots/"' in client.get("/guide/uggs/").content.decode()
