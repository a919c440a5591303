"""Read the pictures of a snapshot as a training takes them."""

from classifier.jobs import picture_files
from classifier.training.data_loaders import Item


def items_of(lines) -> list[Item]:
    """Return the items of a manifest's lines; fetches their pictures."""
    paths = picture_files.fetch([line.stored_sha256 for line in lines], lambda done: None)
    return [Item(paths[ln.stored_sha256], ln.label, ln.split, ln.sha256, ln.scene) for ln in lines]
