"""Requests generated from the schema: valid ones are answered as it says, others are refused."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as limits
from schemathesis.checks import (
    load_all_checks,
    negative_data_rejection,
    positive_data_acceptance,
)
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from classifier.access import tokens
from classifier.registry import serving
from curation.models import AssessRun, Collection
from curation.snapshots import freeze
from shoeproject.api.scopes import SCOPES
from shoeproject.wsgi import application
from tests import decisions, tiny_model
from tests.factories import shoe_type, stored_image

pytestmark = pytest.mark.django_db
load_all_checks()
# The same requests in every run.
GENERATION = GenerationConfig(deterministic=True, max_examples=8, no_shrink=True)
CONFIG = SchemathesisConfig(
    seed=1, projects=ProjectsConfig(default=ProjectConfig(generation=GENERATION))
)
schema = schemathesis.openapi.from_dict(
    SchemaGenerator(urlconf="shoeproject.urls").get_schema(public=True), config=CONFIG
)
schema.app = application
# Addresses where every request that the schema allows succeeds. Elsewhere the schema cannot tell
# what is no photo, no id of an answer, no image, …
PREDICTIONS = "/api/v1/predictions/"
LISTS = [
    f"/api/v1/{name}/"
    for name in ("images", "reviews", "collections", "snapshots", "runs", "assess-runs")
]


@pytest.fixture(autouse=True)
def one_connection():
    """The requests stay within the test's transaction, as those of Django's own client do."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def operator(member, tmp_path, settings):
    """The header of somebody who may do everything, where there is something to do it to."""
    settings.THROTTLE_RATES = dict.fromkeys(settings.THROTTLE_RATES, ("", ""))
    settings.ALLOWED_HOSTS = ["*"]
    tiny_model.activate(tmp_path / "version")
    images = [stored_image(seed) for seed in range(3)]
    user = member("Operator")
    decisions.confirm(images[:1], user)
    freeze.freeze("spring", freeze.Filter(), by=user)
    Collection.objects.create(shoe_type=shoe_type("uggs"), asked_by=user)
    AssessRun.objects.create(asked_by=user)
    made = tokens.make(user, "robot", SCOPES, tokens.default_end())
    yield {"Authorization": f"Bearer {made.secret}"}
    serving.forget()


@schema.parametrize()
@limits(suppress_health_check=list(HealthCheck), deadline=None)
def test_requests_are_answered_as_the_schema_says(case, operator):
    is_list = case.method == "GET" and case.path in LISTS
    excluded = [] if is_list else [positive_data_acceptance]
    if case.path == PREDICTIONS:
        # Of several photos, each invalid one is refused in its place, within a response of 200.
        excluded.append(negative_data_rejection)
    case.call_and_validate(headers=operator, excluded_checks=excluded)
