"""The project as an app: its commands, and the roles that both apps' permissions make up."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ShoeProjectConfig(AppConfig):
    """Configuration of the project's own app, which has no tables."""

    name = "shoeproject"
    verbose_name = "Project"

    def ready(self):
        """Roles come with `migrate`."""
        from shoeproject.roles import grant_after_migrate  # models, so not before the apps are here

        post_migrate.connect(grant_after_migrate)
