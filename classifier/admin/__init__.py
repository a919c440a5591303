"""Admin pages of the model: runs, versions, evaluations."""

from classifier.admin import feedback, training, version

__all__ = ["feedback", "training", "version"]
