"""Admin pages of the model: runs, versions, evaluations."""

from classifier.admin import embedder, feedback, training, version

__all__ = ["embedder", "feedback", "training", "version"]
