"""App configuration for the project's own commands and roles."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ShoeProjectConfig(AppConfig):
    """Configuration of the app `shoeproject`, which has no tables."""

    name = "shoeproject"
    verbose_name = "Project"

    def ready(self):
        # It imports models, which cannot be imported before the apps are loaded.
        from shoeproject.roles import grant_after_migrate

        post_migrate.connect(grant_after_migrate)
