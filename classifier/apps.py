"""The model: training, versions, evaluations, predictions."""

from django.apps import AppConfig
from django.core.checks import register


class ClassifierConfig(AppConfig):
    """Configuration of the classifier app."""

    name = "classifier"
    verbose_name = "Classifier"
    role_permissions = {
        "Curator": {
            "trainingrun": "view",
            "epoch": "view",
            "modelversion": "view",
            "evaluation": "view",
            "pretrainedembedder": "view add",
            "promotion": "view",
            "feedback": "view",
            # Own tokens alone: who may view them sees everybody's.
            "accesstoken": "add",
        },
        "Trainer": {
            "trainingrun": "view add change",
            "epoch": "view",
            "modelversion": "view change",
            "evaluation": "view add change",
            "pretrainedembedder": "view add change",
            "promotion": "view add",
            "feedback": "view",
            "accesstoken": "add",
        },
    }

    def ready(self):
        # These import models, which are not there before the apps are.
        from classifier import receivers  # noqa: F401
        from classifier.registry import checks

        register(checks.device)

    def active_version_name(self) -> str | None:
        """Name of the version that answers, or None; one query."""
        versions = self.get_model("ModelVersion").objects.filter(active=True)
        return versions.values_list("name", flat=True).first()

    # Fields that this app adds to `/health/` → the function that reads each from the database.
    health_facts = {"model": active_version_name}
