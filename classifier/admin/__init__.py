"""The admin of the model. Django imports this package at the start, which registers the models."""

from classifier.admin import embedder, feedback, token, training, version

__all__ = ["embedder", "feedback", "token", "training", "version"]
