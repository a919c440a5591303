"""Visitors' feedback about an answer, the photo they may give with it, and its withdrawal."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.crypto import get_random_string

from classifier.answers import answer_id
from classifier.errors import ClassifierError
from classifier.models import Feedback
from classifier.registry import prediction_limit
from curation import ingest
from curation.decisions import purge
from curation.issues import findings, write
from curation.models import Finding, ShoeImage, ShoeType
from curation.taxonomy.guide import Guide

SOURCE = "visitor"
# What a visitor agrees to, word for word; kept with the photo.
CONSENT = (
    "I took this photo or may give it away. It may be stored, looked at by the people who run this "
    "site, and used to train and test the recogniser, until I take it back with the code that I am "
    "given."
)
LICENCE = "given by a visitor"
REASON = "feedback"
# Without characters that look like others: people may copy a code by hand.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
GROUPS, GROUP_LENGTH = 4, 5
VERDICT_NAMES = {"category": "only the family", "unsure": "not sure", "not_a_shoe": "not a shoe"}


class FeedbackGiven(ClassifierError):
    """There is feedback about this answer already."""

    code = "feedback_given"
    status = 409
    message = "There is feedback on this answer already; one is enough."


class TypeUnknown(ClassifierError):
    """The guide has no such type."""

    slug: str
    code = "type_unknown"
    message = "The guide has no type {slug!r}; take a slug from the list of types."


class FeedbackContradicts(ClassifierError):
    """The feedback says right and another type, or wrong and the same type."""

    code = "feedback_contradicts"
    message = (
        "A right answer cannot have another type, nor a wrong one the same; leave out the type, or "
        "change what you say."
    )


class ConsentMissing(ClassifierError):
    """A photo came without the visitor's consent."""

    code = "consent_missing"
    message = "A photo is kept only with consent; agree to it, or leave the photo out."


class NoRoom(ClassifierError):
    """Visitors' photos have reached FEEDBACK_PHOTOS_MB."""

    code = "photos_full"
    status = 503
    message = "No more photos can be kept just now; send your feedback without one."


class WithdrawalUnknown(ClassifierError):
    """No photo was given with this code."""

    code = "withdrawal_unknown"
    status = 404
    message = "No photo goes with this code; check each character."


@dataclass(frozen=True)
class Receipt:
    """Feedback as it was saved. `photo`: "stored", "known" (the same photo or a copy is or was
    here, so nothing was stored) or empty. `code`: only with a stored photo; it cannot be looked up
    later."""

    feedback: Feedback
    code: str = ""
    photo: Literal["", "stored", "known"] = ""


def give(token: str, right: bool, type_slug: str = "", photo: bytes | None = None) -> Receipt:
    """Save feedback about an answer: whether it is right, what the shoe is, the photo itself.

    `token`: the answer's id. `photo` needs the visitor's agreement to CONSENT; it becomes an
    unlabelled image in the queue. Nothing is kept where any of this fails. Raises `AnswerUnknown`,
    `AnswerExpired`, `FeedbackGiven`, `TypeUnknown`, `FeedbackContradicts`, `NoRoom`, `TooBusy` and
    what decoding the photo raises.
    """
    answer = answer_id.read(token)
    key = hashlib.sha256(token.encode()).hexdigest()
    if Feedback.objects.filter(answer_key=key).exists():
        raise FeedbackGiven()
    guide = Guide()
    shoe_type = _shoe_type(answer, right, type_slug, guide)
    row = Feedback(answer=answer, answer_key=key, right=right, shoe_type=shoe_type)
    if photo is None:
        return Receipt(_save(row))
    photos = ShoeImage.objects.filter(source=SOURCE).order_by()
    used = photos.aggregate(bytes=Sum("stored_bytes"))["bytes"] or 0
    if used >= settings.FEEDBACK_PHOTOS_MB * 1024**2:
        raise NoRoom()
    with prediction_limit.limit.turn():
        prepared = ingest.prepare(photo, ingest.limits())
    return _with_photo(row, prepared, guide)


@transaction.atomic
def withdraw(code: str) -> None:
    """Remove the photo that was given with `code`, for good; a second call does nothing.

    The feedback stays. Raises `WithdrawalUnknown`.
    """
    rows = Feedback.objects.select_for_update(of=("self",)).exclude(code_key="")
    row = rows.filter(code_key=_key(code)).first()
    if row is None:
        raise WithdrawalUnknown()
    if row.withdrawn_at:
        return
    images = ShoeImage.objects.filter(pk=row.image_id).exclude(state=ShoeImage.State.PURGED)
    if images.exists():
        purge.purge(images, None, "Whoever gave this photo took it back.", f"Images {row.image_id}")
    row.withdrawn_at, row.image_sha256 = timezone.now(), ""
    row.save(update_fields=["withdrawn_at", "image_sha256"])


def _shoe_type(answer: dict, right: bool, type_slug: str, guide: Guide) -> ShoeType | None:
    """The label that the feedback amounts to; None where that stays open."""
    answered = _answered(answer, guide)
    chosen = guide.survivor(type_slug) if type_slug else None
    if type_slug and chosen is None:
        raise TypeUnknown(type_slug)
    if chosen and answered and (chosen == answered) != right:
        raise FeedbackContradicts()
    return chosen or (answered if right else None)


def _answered(answer: dict, guide: Guide) -> ShoeType | None:
    """The label that an answer amounts to today, if any."""
    if answer["verdict"] == "type":
        return guide.survivor(answer["top"][0][0])
    return guide.survivor("not-a-shoe") if answer["verdict"] == "not_a_shoe" else None


def _save(row: Feedback) -> Feedback:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise FeedbackGiven() from error
    return row


@transaction.atomic
def _with_photo(row: Feedback, prepared: ingest.Prepared, guide: Guide) -> Receipt:
    _save(row)  # first, so that of two at once only one stores a file
    origin = ingest.Origin(source=SOURCE, licence=LICENCE, consent=CONSENT)
    try:
        image, new = ingest.take_in(prepared, origin, proposed=row.shoe_type, keep_copies=False)
    except ingest.NearCopy as copy:
        image, new = ShoeImage.objects.get(pk=copy.image), False
    code = _new_code() if new else ""
    row.image = image if image.state in findings.LIVE else None
    row.image_sha256, row.code_key = prepared.sha256, _key(code) if code else ""
    row.save(update_fields=["image", "image_sha256", "code_key"])
    _add_finding(row, image, new, guide)
    return Receipt(row, code, "stored" if new else "known")


def _add_finding(row: Feedback, image: ShoeImage, new: bool, guide: Guide) -> None:
    """Have the queue show the image, with the feedback as the finding's note."""
    note = _note(row, guide)
    if new:
        # Without a suggestion: one equal to the image's proposed label would count as answered.
        write.add_finding(image, REASON, note=note)
        return
    # A finding that curators have answered on an image from before stays answered.
    suggested = row.shoe_type.slug if row.shoe_type and not row.right else ""
    before = Finding.objects.filter(image=image, reason=REASON, suggested=suggested)
    if suggested and row.image and not before.exists():
        write.add_finding(image, REASON, suggested=suggested, note=note)


def _note(row: Feedback, guide: Guide) -> str:
    answered = _answered(row.answer, guide)
    model = answered.name if answered else VERDICT_NAMES.get(row.answer["verdict"], "another type")
    if row.right:
        visitor = "right" + (f", {row.shoe_type.name}" if row.shoe_type != answered else "")
    else:
        visitor = row.shoe_type.name if row.shoe_type else "wrong"
    return f"The model said: {model}. The visitor says: {visitor}."


def _new_code() -> str:
    return "-".join(get_random_string(GROUP_LENGTH, ALPHABET) for _ in range(GROUPS))


def _key(code: str) -> str:
    """The digest of a code, whatever its case and separators."""
    characters = "".join(filter(str.isalnum, code.upper()))
    return hashlib.sha256(characters.encode()).hexdigest()
