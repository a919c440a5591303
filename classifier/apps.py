"""The model: training, versions, evaluations, predictions."""

from django.apps import AppConfig


class ClassifierConfig(AppConfig):
    """Configuration of the classifier app."""

    name = "classifier"
    verbose_name = "Classifier"

    def ready(self):
        """Let go of pictures that curation has purged."""
        from classifier import purged
        from curation.purge import purged as signal

        signal.connect(purged.drop_purged, dispatch_uid="classifier.purged")
