"""The labelling admin. Django imports this package at the start, which registers the models."""

from curation.admin import collection, guide, image, imports, quality, snapshot

__all__ = ["collection", "guide", "image", "imports", "quality", "snapshot"]
