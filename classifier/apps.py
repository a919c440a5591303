"""The model: training, versions, evaluations, predictions."""

from django.apps import AppConfig


class ClassifierConfig(AppConfig):
    """Configuration of the classifier app."""

    name = "classifier"
    verbose_name = "Classifier"

    def ready(self):
        """Let go of pictures that curation has purged, and assess what it has brought in."""
        from classifier import checks, purged  # noqa: F401 - checks register themselves
        from classifier.assess import ask
        from curation.purge import purged as signal
        from shoeproject.jobs import job_done

        signal.connect(purged.drop_purged, dispatch_uid="classifier.purged")
        job_done.connect(ask.after_job, dispatch_uid="classifier.assess")
