"""Fixtures for all tests."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.files.storage import storages

from classifier.answers import nearest
from classifier.assess import feature_store
from classifier.registry import serving
from curation.download.fetch import Downloader
from curation.taxonomy import guide
from shoeproject import jobs
from tests import tiny_model
from tests.browsing import browser, idle, visit  # noqa: F401  (one browser for all files)
from tests.misbehaving_server import MisbehavingServer

# Files whose tests take longest, in that order.
SLOWEST = ["test_loop", "test_up_run", "test_training", "test_out_of_fold", "test_queue"]


def pytest_collection_modifyitems(items):
    """Begin with the slowest files: begun last, one of them would keep a single core busy."""
    order = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(SLOWEST)))


@pytest.fixture(autouse=True)
def fresh_process(settings, tmp_path):
    """Every test starts with empty caches, no loaded model, and a worker that is not stopping."""
    settings.CACHE_DIR = tmp_path / "cache"
    cache.clear()
    serving.forget()
    nearest.forget()
    guide.forget()
    jobs.stopping.clear()


@pytest.fixture
def version(tmp_path):
    """An active version that classifies a photo by its mean colour."""
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


@pytest.fixture
def member(django_user_model):
    """A function that creates a staff user with the given roles."""

    def make(*roles, name="kim"):
        user = django_user_model.objects.create_user(name, password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        return user

    return make


@pytest.fixture(scope="module")
def server():
    """A web server on this machine that misbehaves as asked."""
    with MisbehavingServer() as running:
        yield running


@pytest.fixture
def downloader(server):
    """A downloader from `server` with a short time limit."""
    with Downloader(server.limits(seconds=0.8), 4) as made:
        yield made


@pytest.fixture
def patient(server):
    """A downloader from `server` with time for a second try."""
    with Downloader(server.limits(), 4) as made:
        yield made


@pytest.fixture
def no_assess_files():
    """Removes assessments' files: primary keys start again in each test, the storage does not."""
    yield
    if storages["models"].exists("assess"):
        for run in storages["models"].listdir("assess")[0]:
            feature_store.drop(int(run))
