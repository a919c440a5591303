"""The labelling admin."""

from curation.admin import guide, image, intake, quality, snapshot

__all__ = ["guide", "image", "intake", "quality", "snapshot"]
