"""The health page names the part that fails, without the reason."""

import pytest
from django.db import OperationalError, connection
from redis.exceptions import ConnectionError as RedisConnectionError

from classifier.models import ModelVersion
from shoeproject import health as module

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken_cache(monkeypatch):
    def refuse(*args, **kwargs):
        raise RedisConnectionError("Error 111 connecting to redis.internal:6379")

    monkeypatch.setattr(module.cache, "set", refuse, raising=False)


def test_it_is_healthy_without_a_model(client):
    answer = client.get("/health/")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "cache": "ok", "model": None}
    assert "no-store" in answer["Cache-Control"]


def test_it_names_the_active_model(client):
    ModelVersion.objects.create(name="old", digest="a" * 64, card={})
    ModelVersion.objects.create(name="new", digest="b" * 64, card={}, active=True)
    assert client.get("/health/").json()["model"] == "new"


def test_a_cache_that_is_down_is_503(client, broken_cache):
    answer = client.get("/health/")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "failing", "database": "ok", "cache": "unreachable", "model": None,
    }  # fmt: skip


def test_a_database_that_is_down_is_503(client, monkeypatch):
    def refuse():
        raise OperationalError("connection to db.internal failed for user shoes")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    answer = client.get("/health/")
    assert answer.status_code == 503
    assert answer.json()["database"] == "unreachable"
    assert "internal" not in answer.content.decode()


def test_it_shows_no_addresses(client, broken_cache):
    assert "internal" not in client.get("/health/").content.decode()


def test_it_costs_one_query(client, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get("/health/")


def test_it_accepts_get_and_head_only(client):
    assert client.head("/health/").status_code == 200
    assert client.post("/health/").status_code == 405
