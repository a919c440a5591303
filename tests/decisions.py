"""Short forms of decisions; each returns the batch."""

from curation.decisions.decide import decide


def confirm(images, by, note=""):
    return decide("confirm", images, by, note=note).batch


def reject(images, by, note=""):
    return decide("reject", images, by, note=note).batch


def restore(images, by, note=""):
    return decide("restore", images, by, note=note).batch


def relabel(images, label, by, looked=True, note=""):
    return decide("relabel", images, by, label=label, note=note, looked=looked).batch


def leave(images, by, note):
    return decide("leave", images, by, note=note).batch
