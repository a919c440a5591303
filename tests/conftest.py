"""Fixtures every test may use."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache

from classifier import nearest, store
from shoeproject import jobs
from tests.browsing import browser  # noqa: F401  (one browser for all files)


@pytest.fixture(autouse=True)
def fresh_machine(settings, tmp_path):
    """Each test starts on a fresh machine: nothing cached, no model held, not stopping."""
    settings.CACHE_DIR = tmp_path / "cache"
    cache.clear()
    store.forget()
    nearest.forget()
    jobs.stopping.clear()


@pytest.fixture
def member(django_user_model):
    """A function that makes a user who may enter the admin, in the roles named."""

    def make(*roles, name="kim"):
        user = django_user_model.objects.create_user(name, password="x", is_staff=True)
        user.groups.set(Group.objects.filter(name__in=roles))
        return user

    return make
