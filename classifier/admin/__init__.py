"""Admin pages of the model: runs, versions, evaluations."""

from classifier.admin import embedder, feedback, token, training, version

__all__ = ["embedder", "feedback", "token", "training", "version"]
