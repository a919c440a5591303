"""Copies of one picture side by side: what differs, and which one to keep."""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import storages
from django.db.models import Q

from curation.issues import findings, silence
from curation.issues.reasons import DUPLICATES
from curation.models import Finding, ShoeImage
from curation.queue.cards import build_cards

ROUNDS = 4  # copies of copies of copies


@dataclass(frozen=True)
class Copies:
    """Copies: their cards, the one that the findings propose to keep, rows to compare them by
    ([(name, a value for each, whether the values differ)]), and how many more copies there are."""

    cards: list[dict]
    proposed: int
    rows: list[tuple[str, list[str], bool]]
    more: int


def find_copies(image_id: int) -> Copies:
    """The image and those that open findings call copies of it, the one to keep first."""
    pairs = _pairs(image_id)
    keep, remove = {pair.other for pair in pairs}, {pair.image_id for pair in pairs}

    def order(image):
        return image.sha256 not in keep or image.pk in remove, -image.width * image.height, image.pk

    ordered = sorted(_images(image_id, pairs), key=order)
    shown = ordered[: settings.QUEUE_COPIES]
    if image_id not in {image.pk for image in shown}:  # it is always shown
        shown[-1] = next(image for image in ordered if image.pk == image_id)
    cards = build_cards(image.pk for image in shown)
    facts = _facts(shown, cards).items()
    rows = [(name, values, len(set(values)) > 1) for name, values in facts]
    return Copies(cards, shown[0].pk, rows, len(ordered) - len(shown))


def keep_all(image_ids, by) -> uuid.UUID:
    """Silence the findings that call these images copies of each other; returns the batch."""
    image_ids = list(image_ids)
    shas = ShoeImage.objects.filter(pk__in=image_ids).values_list("sha256", flat=True)
    pairs = findings.unanswered().filter(
        image__in=image_ids, reason__in=DUPLICATES, other__in=list(shas)
    )
    return silence.silence(pairs, by)


def _pairs(image_id: int) -> list[Finding]:
    """Open findings of copies that involve the image, or a copy of it, and so on."""
    pks, pairs = {image_id}, {}
    for _ in range(ROUNDS):
        shas = ShoeImage.objects.filter(pk__in=pks).values_list("sha256", flat=True)
        rows = findings.unanswered().filter(
            Q(image__in=pks) | Q(other__in=list(shas)), reason__in=DUPLICATES
        )
        new = {pair.pk: pair for pair in rows if pair.pk not in pairs}
        if not new:
            break
        pairs.update(new)
        others = [pair.other for pair in new.values()]
        pks = {pair.image_id for pair in pairs.values()}
        pks.update(ShoeImage.objects.filter(sha256__in=others).values_list("pk", flat=True))
    return list(pairs.values())


def _images(image_id: int, pairs: list[Finding]) -> list[ShoeImage]:
    """The image, and the other images of these pairs that are not rejected."""
    pks = {image_id, *(pair.image_id for pair in pairs)}
    shas = {pair.other for pair in pairs}
    live = ShoeImage.objects.filter(state__in=findings.LIVE)
    copies = live.filter(Q(pk__in=pks) | Q(sha256__in=shas)) | ShoeImage.objects.filter(pk=image_id)
    return list(copies.select_related("label", "proposed"))


def _facts(images: list[ShoeImage], cards: list[dict]) -> dict[str, list[str]]:
    """Name of a fact → its value for each image."""
    return {
        "Size": [f"{image.width} × {image.height}" for image in images],
        "File": [_kilobytes(image) for image in images],
        "Label": [str(image.given or "none") for image in images],
        "State": [image.state for image in images],
        "Split": [image.split for image in images],
        "Source": [image.source or "not stated" for image in images],
        "Licence": [image.licence for image in images],
        "Group": [image.group or "none" for image in images],
        "Came in": [f"{image.created_at:%d %b %Y}" for image in images],
        "Decided": [card["last"]["words"] if card["last"] else "no" for card in cards],
    }


def _kilobytes(image: ShoeImage) -> str:
    try:
        return f"{storages['media'].size(image.file_name) / 1000:,.0f} kB"
    except FileNotFoundError:
        return "missing"
