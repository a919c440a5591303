"""The data: shoe types, images, their history, snapshots."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CurationConfig(AppConfig):
    """Configuration of the curation app."""

    name = "curation"
    verbose_name = "Curation"
    # History is only ever added to, so no role may change or delete it in the admin.
    role_permissions = {
        "Curator": {
            "category": "view",
            "shoetype": "view change",
            "shoeimage": "view change",
            "review": "view",
            "purge": "view",
            "collection": "view add change",
            "import": "view add change",
            "hit": "view",
            "assessrun": "view add change",
            "assessment": "view",
            "finding": "view change",
            "worklist": "view add change delete",
            "snapshot": "view add",
        },
        "Trainer": {
            "category": "view",
            "shoetype": "view",
            "shoeimage": "view",
            "review": "view",
            "snapshot": "view add",
            "finding": "view",
            "worklist": "view add change",
        },
    }

    def ready(self):
        # Models cannot be imported before the apps are ready.
        from curation.taxonomy.load_types import load_after_migrate

        post_migrate.connect(load_after_migrate, sender=self)
