"""The model: training, versions, evaluations, predictions."""

from django.apps import AppConfig


class ClassifierConfig(AppConfig):
    """Configuration of the classifier app."""

    name = "classifier"
    verbose_name = "Classifier"
