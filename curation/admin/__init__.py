"""The labelling admin."""

from curation.admin import collection, guide, image, intake, quality, snapshot

__all__ = ["collection", "guide", "image", "intake", "quality", "snapshot"]
