"""The data: shoe types, images, their history, snapshots."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CurationConfig(AppConfig):
    """Configuration of the curation app."""

    name = "curation"
    verbose_name = "Curation"

    def ready(self):
        """Types and roles come with `migrate`."""
        from curation.guide import load_after_migrate
        from curation.roles import grant_after_migrate

        post_migrate.connect(load_after_migrate, sender=self)
        # Permissions of an app are made when its own turn comes, and these roles span both apps,
        # so the roles are written after every app's turn.
        post_migrate.connect(grant_after_migrate)
