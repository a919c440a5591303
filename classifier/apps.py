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
        """Let go of pictures that curation has purged, and assess what it has brought in."""
        # Models, so not before the apps are here.
        from classifier import receivers
        from classifier.assess import request
        from classifier.registry import checks
        from curation.decisions.purge import purged
        from shoeproject.jobs import job_done

        register(checks.device)
        purged.connect(receivers.drop_purged, dispatch_uid="classifier.purged")
        job_done.connect(request.after_job, dispatch_uid="classifier.assess")

    def active_version_name(self) -> str | None:
        """Name of the version that answers, or None; one query."""
        versions = self.get_model("ModelVersion").objects.filter(active=True)
        return versions.values_list("name", flat=True).first()

    # What `/health/` says besides its own: field → how to find it in the database.
    health_facts = {"model": active_version_name}
